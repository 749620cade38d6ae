"""Who asks: a guest with a booking's manage token. There are no accounts yet, so every bearer token is unknown."""

from typing import Any

from litestar.connection import ASGIConnection

from core.container import Scope
from core.errors import Forbidden, NotFound, Unauthorized
from modules.booking import Booking, BookingService, manages

Connection = ASGIConnection[Any, Any, Any, Any]
MANAGE_TOKEN = "X-Manage-Token"  # noqa: S105, the name of a header
GUEST = "guest"
BOOKING = "booking"
"""Where the state of a request keeps the booking that it was authorized for."""


def manage_token(connection: Connection) -> str | None:
    """Return the manage token that was sent, if it is not empty."""
    return connection.headers.get(MANAGE_TOKEN) or None


def has_bearer(connection: Connection) -> bool:
    """Whether a bearer token was sent."""
    return connection.headers.get("Authorization", "").lower().startswith("bearer")


def caller(connection: Connection) -> str:
    """Return what tells this caller from others: the manage token, or else that it is a guest."""
    return manage_token(connection) or GUEST


def require_credential(connection: Connection) -> str:
    """Return the manage token; raise `Unauthorized` where there is none."""
    token = manage_token(connection)
    if token is None:
        raise Unauthorized(
            "the bearer token is unknown, expired or revoked" if has_bearer(connection) else f"send {MANAGE_TOKEN}"
        )
    return token


async def authorize_booking(connection: Connection, container: Scope, booking_id: str) -> Booking:
    """Return the booking, an expired hold too, with staff and service, to somebody whose credential covers it.

    Raises `Unauthorized` without a credential, `NotFound` where there is no such booking, else `Forbidden`.
    """
    token = require_credential(connection)
    # Ids are no secret: that there is no such booking may be told to anybody with any credential.
    booking = await container.resolve(BookingService).find_booking(booking_id)
    if booking is None:
        raise NotFound(f"no booking {booking_id!r:.80}")
    if not manages(token, booking, container.config.secrets):
        raise Forbidden("this manage token is not of this booking")
    return booking


def authorized_booking(connection: Connection) -> Booking:
    """Return the booking of the path, as it was read to authorize this request."""
    return connection.scope["state"][BOOKING]
