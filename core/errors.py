"""One tree of errors: a leaf says what happened, the tree says what it means to a caller."""

from typing import Any, ClassVar, Self

import msgspec


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one field of an input."""

    field: str
    message: str


class HoldfastError(Exception):
    """Base of everything that Holdfast raises on purpose.

    A class that sets `code` is a *leaf*: its code is stable, unique, and what a journal stores, so an error read
    back comes back as its class. `status` is the HTTP status. `data` holds JSON values beside the text.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = ""
    retryable: ClassVar[bool] = False
    remembered: ClassVar[bool] = False
    """Whether an idempotency key keeps this error as its answer; 409, 429 and 5xx are computed anew."""
    leaves: ClassVar[dict[str, type["HoldfastError"]]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "remembered" not in cls.__dict__:
            cls.remembered = cls.status not in (409, 429) and cls.status < 500
        if "code" not in cls.__dict__:
            return
        other = HoldfastError.leaves.setdefault(cls.code, cls)
        if other is not cls:
            raise TypeError(f"error code {cls.code!r} belongs to {other.__qualname__}")
        if "title" not in cls.__dict__:
            cls.title = cls.code.replace("_", " ").capitalize()

    def __init__(self, detail: str = "", /, **data: Any) -> None:
        self.detail = detail or (self.__doc__ or self.title).splitlines()[0]
        self.data = data
        self.replayed = False
        """True when this is the remembered outcome of an earlier call with the same idempotency key."""
        self.siblings: list[HoldfastError] = []
        """What else failed in the same `parallel`."""
        super().__init__(self.detail)

    @classmethod
    def restore(cls, detail: str, data: dict[str, Any]) -> Self:
        """Build the error again from what a journal kept of it."""
        error = cls.__new__(cls)
        HoldfastError.__init__(error, detail, **data)
        return error


class InvalidData(HoldfastError):
    """The data was understood but is not allowed."""

    code = "invalid_data"
    status = 422

    def __init__(self, detail: str = "", /, *, field: str = "", **data: Any) -> None:
        super().__init__(detail, **data)
        if field:
            self.data["errors"] = [{"field": field, "message": self.detail}]


class NotFound(HoldfastError):
    """There is no such thing."""

    code = "not_found"
    status = 404


class Unauthorized(HoldfastError):
    """A valid credential is needed."""

    code = "unauthorized"
    status = 401


class Forbidden(HoldfastError):
    """The credential does not cover this object."""

    code = "forbidden"
    status = 403


class Busy(HoldfastError):
    """The database is away or a lock was not to be had in time; try again shortly."""

    code = "busy"
    status = 503
    retryable = True


class OutcomeUnknown(HoldfastError):
    """The connection broke while committing: it may or may not have taken effect."""

    code = "outcome_unknown"
    status = 503


class ConfigurationError(HoldfastError):
    """The application is put together wrongly and cannot start."""

    code = "configuration_error"


class NoTransaction(HoldfastError):
    """A write needs `async with scope.transaction():` around it."""

    code = "no_transaction"
