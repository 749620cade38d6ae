"""What is checked before a handler's arguments are read: who asks, then the query.

One hook for all routes, told by a handler's `opt` what to want: the framework's own guards copy the handler at each
call, and what is not `async` it runs in a thread.
"""

from typing import Any

from litestar import Request

from core.errors import Unauthorized

from .credentials import has_bearer, require_credential
from .door import MAX_QUERY_BYTES
from .errors import InvalidRequest

CREDENTIAL = "credential"
NEEDS_CREDENTIAL = {CREDENTIAL: "needed"}
"""`opt` of a route that wants a credential, whatever the id; whether it covers the object is seen later."""
CUSTOMERS_ONLY = {CREDENTIAL: "customer"}
"""`opt` of a route for customers."""
TAKES_CREDENTIAL = {CREDENTIAL: "taken"}
"""`opt` of a route that guests may use, where a bearer token that is unknown is not taken for none."""
NOT_SENT = frozenset({"request", "container", "application", "data"})
"""Arguments of handlers that are no query parameters."""
UNKNOWN_BEARER = "the bearer token is unknown, expired or revoked"


async def admit(request: Request[Any, Any, Any]) -> None:
    """Raise `Unauthorized` or `InvalidRequest` for a request that no handler needs to see."""
    wanted = request.route_handler.opt.get(CREDENTIAL)
    if wanted == "needed":
        require_credential(request)
    elif wanted == "customer":
        raise Unauthorized(UNKNOWN_BEARER if has_bearer(request) else "sign in as a customer")
    elif wanted == "taken" and has_bearer(request):
        raise Unauthorized(UNKNOWN_BEARER)
    if raw := request.scope["query_string"]:
        _check_query(request, raw)


def _check_query(request: Request[Any, Any, Any], raw: bytes) -> None:
    """Refuse a query that is too long, or has a parameter that the route does not take or that stands twice."""
    if len(raw) > MAX_QUERY_BYTES:
        raise InvalidRequest("the query string is longer than 8 kB")
    known = request.route_handler.parsed_fn_signature.parameters.keys() - request.path_params.keys() - NOT_SENT
    for name in request.query_params:
        if name not in known:
            raise InvalidRequest("unknown query parameter", field=name[:100])
        if len(request.query_params.getall(name)) > 1:
            raise InvalidRequest("the parameter stands twice", field=name)
