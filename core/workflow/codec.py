"""Values and errors as data: what the journal keeps, and the decoded copy that a body gets."""

import re
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from hashlib import blake2b
from math import isfinite
from typing import Any, TypeVar

import msgspec

from ..db import driver_error
from ..errors import ConfigurationError, HoldfastError
from .errors import StepFailed, UnstorableResult

E = TypeVar("E", bound=HoldfastError)

# Of fields too: jsonb forgets the order of keys, and a body that walks over them has to see one order at every replay.
_ENCODER = msgspec.json.Encoder(order="sorted")
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
# jsonb has no exponents and no negative zero: a value has to be read back as its first reader had it.
_EXPONENT = re.compile(rb"e(?<=\de)\d")  # looks for the letter first, which is ten times faster
_STRING_OR_NUMBER = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?e\d+|-0\.0(?!\d)')
# What JSON has no number for stays one in MessagePack, which is sooner searched than the value walked through.
_PACKER = msgspec.msgpack.Encoder()
_PACKED_NO_NUMBER = re.compile(rb"\xcb[\x7f\xff][\xf0-\xff]")


class ErrorData(msgspec.Struct, frozen=True):
    """An error as the journal keeps it."""

    code: str
    detail: str
    data: dict[str, Any]


def encode(value: object, what: str) -> bytes:
    """Return `value` as JSON that PostgreSQL's jsonb takes, else raise `UnstorableResult` about `what`."""
    try:
        encoded = _encoded(value)
    except Exception as error:
        raise UnstorableResult(f"{what} cannot be stored: {text_of(error)}") from error
    if b"\\u0000" in encoded and _NUL.search(encoded):
        raise UnstorableResult(f"{what} cannot be stored: it holds a NUL character")
    if _EXPONENT.search(encoded) or b"-0.0" in encoded:
        return _STRING_OR_NUMBER.sub(_as_jsonb_has_it, encoded)
    return encoded


def _encoded(value: object) -> bytes:
    try:
        # Packed first: an unset field of a Struct is an error there, and the end of the process in a sorted encoder.
        packed = _PACKER.encode(value)
        encoded = _ENCODER.encode(value)
    except (TypeError, OverflowError):
        # One stops at 64 bits, the other takes keys of text alone: builtins have anything that JSON can have.
        plain = _plain(value)
        encoded = _ENCODER.encode(plain)
    else:
        if b"\xcb" not in packed or not _PACKED_NO_NUMBER.search(packed):
            return encoded
        plain = _plain(value)
    if _holds_no_number(plain):
        raise ValueError("it holds NaN or an infinity")
    return encoded


def _plain(value: object) -> object:
    return msgspec.to_builtins(value, str_keys=True, order="sorted", enc_hook=_raw)


def _raw(value: object) -> object:
    if isinstance(value, msgspec.Raw):
        return msgspec.json.decode(value)
    raise TypeError(f"there is no encoding of a {type(value).__qualname__}")


def _holds_no_number(plain: object) -> bool:
    """Tell whether a float is among `plain` that JSON has as null."""
    left: list[Any] = [plain]
    while left:
        each = left.pop()
        if isinstance(each, float) and not isfinite(each):
            return True
        if isinstance(each, list | tuple | dict):
            left += each.values() if isinstance(each, dict) else each
    return False


def _as_jsonb_has_it(found: re.Match[bytes]) -> bytes:
    token = found[0]
    if token.startswith(b'"'):
        return token
    return b"0.0" if token == b"-0.0" else format(Decimal(token.decode()), "f").encode()


def decode(encoded: bytes, kind: Any, what: str) -> Any:
    """Return the copy of a stored value; `UnstorableResult` if it does not fit its annotation."""
    try:
        return msgspec.json.decode(encoded, type=kind)
    except Exception as error:
        # Of whatever kind: a type that cannot be read raises a TypeError, a `__post_init__` what its author likes.
        raise UnstorableResult(f"{what} does not fit its annotation: {text_of(error)}") from error


def check_readable(kind: Any, what: str) -> None:
    """Raise `ConfigurationError` if there is no reading values of type `kind`."""
    try:
        msgspec.json.Decoder(kind)
    except Exception as error:
        raise ConfigurationError(f"{what} cannot be read back: {text_of(error)}") from error


def canonical(stored: str) -> bytes:
    """Return JSON read back from jsonb as `encode` had it: a body that walks over a dictionary must see one order."""
    return _ENCODER.encode(msgspec.json.decode(stored))


def hash_of(encoded: bytes) -> bytes:
    """Return the 8 bytes by which inputs are compared."""
    return blake2b(encoded, digest_size=8).digest()


def text_of(error: BaseException, say: Callable[[BaseException], str] = str) -> str:
    """Return the text of an exception; a class of its own may have a `__str__` that raises."""
    try:
        return say(error)
    except Exception as failure:  # noqa: BLE001, whatever it raises
        return f"no text, because of a {type(failure).__name__}"


def whole(error: E) -> E:
    """Return `error` with what is missing where its class does without `super().__init__()`, and with text as text."""
    detail: object = getattr(error, "detail", "")
    if not hasattr(error, "siblings"):
        HoldfastError.__init__(error, text_of(error))
    if not isinstance(detail, str):
        error.detail = text_of(error)
    return error


def describe_error(error: BaseException, step: str) -> ErrorData:
    """Return what the journal keeps of an error that a step raised."""
    if not isinstance(error, HoldfastError) or type(error).code not in HoldfastError.leaves:
        error = driver_error(error) or error
        name = type(error).__name__
        error = StepFailed(f"step {step} failed: {name}: {text_of(error)}", step=step, error_type=name)
    return error_data(error, f"the error of step {step}")


def error_data(error: HoldfastError, what: str) -> ErrorData:
    """Return `error` as data that is certain to be storable; what its text cannot keep becomes a question mark."""
    error = whole(error)
    detail = error.detail.encode(errors="replace").decode().replace("\0", "?")
    try:
        data = decode(encode(error.data, what), dict[str, Any], what)
    except UnstorableResult as unstorable:
        return ErrorData(UnstorableResult.code, unstorable.detail, {})
    return ErrorData(str(type(error).code), detail, data)


def restore_error(stored: ErrorData) -> HoldfastError:
    """Return the error as its class, or as `StepFailed` if this process does not know its code."""
    leaf = HoldfastError.leaves.get(stored.code)
    if leaf is not None:
        with suppress(Exception):  # a class may be made otherwise by now, and in any way
            return leaf.restore(stored.detail, stored.data)
    return StepFailed(stored.detail, error_type=stored.code)
