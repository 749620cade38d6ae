"""The HTTP API: Litestar routes that parse, run a workflow or a query, and answer."""
