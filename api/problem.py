"""Every error as RFC 9457 `application/problem+json`."""

import re
from typing import Any, cast

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import Scope
from msgspec import UNSET, Struct, UnsetType, json

from core.db import as_busy
from core.errors import FieldError, Forbidden, HoldfastError, Unauthorized
from modules.booking import Slot

from .door import request_id
from .errors import BodyTooLarge, InvalidRequest, MethodNotAllowed, NoSuchAddress, UnsupportedMediaType

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 1
EXTENSIONS = ("errors", "alternatives", "booking_ids")
"""What of an error's data a client sees."""
DISCONNECTED = "client disconnected prematurely"
MISSING = re.compile(r"Missing required \w+ parameter '(\w+)'")
TRANSLATED: dict[int, type[HoldfastError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NoSuchAddress,
    405: MethodNotAllowed,
    413: BodyTooLarge,
    415: UnsupportedMediaType,
}

log = structlog.get_logger("holdfast.api")


class Problem(Struct, frozen=True, kw_only=True):
    """What went wrong; `code` is stable, `detail` is for people. RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[FieldError] | UnsetType = UNSET
    """Which fields of the request are wrong."""
    alternatives: list[Slot] | UnsetType = UNSET
    """Other slots, with `slot_unavailable` and `hold_expired`."""
    booking_ids: list[str] | UnsetType = UNSET
    """The bookings that stand against it, with `has_bookings`."""


def answer(error: HoldfastError, scope: Scope, headers: dict[str, str] | None = None) -> Response[bytes]:
    """Return the problem document of `error`."""
    members = {
        "type": f"urn:holdfast:problem:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "request_id": request_id(scope),
        **{name: error.data[name] for name in EXTENSIONS if name in error.data},
    }
    return Response(
        json.encode(members),
        status_code=error.status,
        media_type=MEDIA_TYPE,
        headers={**_headers(error), **(headers or {})},
    )


def _headers(error: HoldfastError) -> dict[str, str]:
    headers: dict[str, str] = {}
    if error.status in (429, 503):
        headers["Retry-After"] = str(error.data.get("retry_after", RETRY_AFTER_SECONDS))
    if error.status == Unauthorized.status:
        headers["WWW-Authenticate"] = "Bearer"
    if error.replayed:
        headers["Idempotency-Replayed"] = "true"
    return headers


def on_holdfast_error(request: Request[Any, Any, Any], error: HoldfastError) -> Response[bytes]:
    """Answer an error that was raised on purpose; one that is our own fault is not shown."""
    if error.status == HoldfastError.status:
        return on_unexpected(request, error)
    return answer(error, request.scope)


def on_http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Answer what the framework refused."""
    if error.detail == DISCONNECTED:
        return answer(InvalidRequest("the body ended early"), request.scope)
    if error.status_code >= HoldfastError.status:
        return on_unexpected(request, error)
    kind = TRANSLATED.get(error.status_code)
    return answer(kind() if kind else _invalid_request(error), request.scope, error.headers)


def on_unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer 503 when the database is away, else 500; the trace is logged and never sent."""
    busy = as_busy(error)
    if busy is None:
        log.error("request_failed", exc_info=error)
    else:
        log.warning("database_busy", error=str(error))
    return answer(busy or HoldfastError("something went wrong here"), request.scope)


def _invalid_request(error: HTTPException) -> InvalidRequest:
    """Name the parameter; the framework's own text repeats the whole address, tokens in it included."""
    if missing := MISSING.match(error.detail):
        return InvalidRequest(f"{missing[1]!r} is missing", field=missing[1])
    found = InvalidRequest("the request cannot be read")
    if isinstance(error.extra, list):
        extras = cast("list[dict[str, str]]", error.extra)
        if extras[0].get("key") == "data":
            return InvalidRequest("the body is missing")
        found.data["errors"] = [
            {"field": extra.get("key", ""), "message": extra.get("message", "")} for extra in extras
        ]
    return found


HANDLERS: dict[int | type[Exception], Any] = {
    HoldfastError: on_holdfast_error,
    HTTPException: on_http_exception,
    Exception: on_unexpected,
}
