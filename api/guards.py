"""What is checked before a handler's arguments are read: who asks, and whether for something of theirs; then the query.

One hook for all routes, told by a handler's `opt` what to want: the framework's own guards copy the handler at each
call, and what is not `async` it runs in a thread.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Request

from core.app import Application
from core.errors import Unauthorized

from .credentials import BOOKING, authorize_booking, has_bearer
from .door import MAX_QUERY_BYTES
from .errors import InvalidRequest

CREDENTIAL = "credential"
NEEDS_CREDENTIAL = {CREDENTIAL: "needed"}
"""`opt` of a route of one booking, `booking_id`, that wants its credential."""
CUSTOMERS_ONLY = {CREDENTIAL: "customer"}
"""`opt` of a route for customers."""
TAKES_CREDENTIAL = {CREDENTIAL: "taken"}
"""`opt` of a route that guests may use, where a bearer token that is unknown is not taken for none."""
NOT_SENT = frozenset({"request", "container", "application", "data"})
"""Arguments of handlers that are no query parameters."""
UNKNOWN_BEARER = "the bearer token is unknown, expired or revoked"


def admission(application: Application) -> Callable[[Request[Any, Any, Any]], Awaitable[None]]:
    """Return the hook: it raises what refuses a request that no handler needs to see."""

    async def admit(request: Request[Any, Any, Any]) -> None:
        match request.route_handler.opt.get(CREDENTIAL):
            case "needed":
                await _authorize(request, application)
            case "customer":
                raise Unauthorized(UNKNOWN_BEARER if has_bearer(request) else "sign in as a customer")
            case "taken" if has_bearer(request):
                raise Unauthorized(UNKNOWN_BEARER)
            case _:
                pass
        if raw := request.scope["query_string"]:
            _check_query(request, raw)

    return admit


async def _authorize(request: Request[Any, Any, Any], application: Application) -> None:
    """Keep the booking of the path for the handler; raise what `authorize_booking` raises."""
    # Here and not in the handler, which runs once the body is read: nobody is told what is wrong with a body that could
    # not be meant for this booking, nor that a booking takes such a body when there is none.
    async with application.scope() as scope:
        booking = await authorize_booking(request, scope, request.path_params["booking_id"])
    request.scope["state"][BOOKING] = booking


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
