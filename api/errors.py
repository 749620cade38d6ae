"""What can be wrong with a request before any module sees it; each class is one stable code of the HTTP contract."""

from core.errors import HoldfastError, NotFound


class InvalidRequest(HoldfastError):
    """The request cannot be read."""

    code = "invalid_request"
    status = 400

    def __init__(self, detail: str = "", /, *, field: str = "") -> None:
        data = {"errors": [{"field": field, "message": detail}]} if field else {}
        super().__init__(detail, **data)


class UnknownField(InvalidRequest):
    """The body has a field that is not taken here."""

    code = "unknown_field"


class TimezoneRequired(InvalidRequest):
    """A time without an offset needs the body's `timezone`."""

    code = "timezone_required"


class NoSuchAddress(NotFound):
    """There is nothing at this address."""


class MethodNotAllowed(HoldfastError):
    """This address does not take that method."""

    code = "method_not_allowed"
    status = 405


class BodyTooLarge(HoldfastError):
    """The body is larger than 64 kB."""

    code = "body_too_large"
    status = 413


class UnsupportedMediaType(HoldfastError):
    """Bodies are JSON: send `Content-Type: application/json`."""

    code = "unsupported_media_type"
    status = 415
