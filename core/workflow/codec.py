"""Values and errors as data: what the journal keeps, and the decoded copy that a body gets."""

import re
from decimal import Decimal
from hashlib import blake2b
from typing import Any

import msgspec

from ..db import driver_error
from ..errors import HoldfastError
from .errors import StepFailed, UnstorableResult

# Deterministic, because jsonb forgets the order of keys and inputs are compared by their hash.
_ENCODER = msgspec.json.Encoder(order="deterministic")
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
# jsonb has no exponents and no negative zero: a value has to be read back as its first reader had it.
_EXPONENT = re.compile(rb"e(?<=\de)\d")  # looks for the letter first, which is ten times faster
_STRING_OR_NUMBER = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?e\d+|-0\.0(?!\d)')


class ErrorData(msgspec.Struct, frozen=True):
    """An error as the journal keeps it."""

    code: str
    detail: str
    data: dict[str, Any]


def encode(value: object, what: str) -> bytes:
    """Return `value` as JSON that PostgreSQL's jsonb takes, else raise `UnstorableResult` about `what`."""
    try:
        encoded = _encoded(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise UnstorableResult(f"{what} cannot be stored: {error}") from error
    if b"\\u0000" in encoded and _NUL.search(encoded):
        raise UnstorableResult(f"{what} cannot be stored: it holds a NUL character")
    if _EXPONENT.search(encoded) or b"-0.0" in encoded:
        return _STRING_OR_NUMBER.sub(_as_jsonb_has_it, encoded)
    return encoded


def _encoded(value: object) -> bytes:
    try:
        return _ENCODER.encode(value)
    except TypeError:
        # In a fixed order it takes keys of text alone, and builtins of anything else that JSON can have as a key.
        return _ENCODER.encode(msgspec.to_builtins(value, str_keys=True, order="deterministic"))


def _as_jsonb_has_it(found: re.Match[bytes]) -> bytes:
    token = found[0]
    if token.startswith(b'"'):
        return token
    return b"0.0" if token == b"-0.0" else format(Decimal(token.decode()), "f").encode()


def decode(encoded: bytes, kind: Any, what: str) -> Any:
    """Return the copy of a stored value; `UnstorableResult` if it does not fit its annotation."""
    try:
        return msgspec.json.decode(encoded, type=kind)
    except msgspec.ValidationError as error:
        raise UnstorableResult(f"{what} does not fit its annotation: {error}") from error


def canonical(stored: str) -> bytes:
    """Return JSON read back from jsonb as `encode` had it: a body that walks over a dictionary must see one order."""
    return _ENCODER.encode(msgspec.json.decode(stored))


def hash_of(encoded: bytes) -> bytes:
    """Return the 8 bytes by which inputs are compared."""
    return blake2b(encoded, digest_size=8).digest()


def describe_error(error: BaseException, step: str) -> ErrorData:
    """Return what the journal keeps of an error that a step raised."""
    if not isinstance(error, HoldfastError) or type(error).code not in HoldfastError.leaves:
        error = driver_error(error) or error
        name = type(error).__name__
        error = StepFailed(f"step {step} failed: {name}: {error}", step=step, error_type=name)
    return error_data(error, f"the error of step {step}")


def error_data(error: HoldfastError, what: str) -> ErrorData:
    """Return `error` as data that is certain to be storable; what its text cannot keep becomes a question mark."""
    detail = error.detail.encode(errors="replace").decode().replace("\0", "?")
    try:
        data = msgspec.json.decode(encode(error.data, what), type=dict[str, Any])
    except UnstorableResult as unstorable:
        return ErrorData(UnstorableResult.code, unstorable.detail, {})
    return ErrorData(error.code, detail, data)


def restore_error(stored: ErrorData) -> HoldfastError:
    """Return the error as its class, or as `StepFailed` if this process does not know its code."""
    leaf = HoldfastError.leaves.get(stored.code)
    if leaf is None:
        return StepFailed(stored.detail, error_type=stored.code)
    return leaf.restore(stored.detail, stored.data)
