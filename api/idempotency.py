"""The `Idempotency-Key` header, made into the key of a run."""

import hashlib
from collections.abc import Mapping
from typing import Any, cast

import msgspec
from litestar import Request

from core.errors import InvalidData

from .credentials import GUEST, caller

MAX_LENGTH = 255
GUEST_MIN_LENGTH = 16
"""Guests share one name space: a short key could be another guest's."""


HEADER = "Idempotency-Key"


def idempotency_key(request: Request[Any, Any, Any]) -> str | None:
    """Return a hash of the caller, the method and path as sent, and the header; `None` without the header.

    Raises `InvalidData` for a header of the wrong length.
    """
    header = request.headers.get(HEADER)
    if header is None:
        return None
    actor = caller(request)
    shortest = GUEST_MIN_LENGTH if actor == GUEST else 1
    if not shortest <= len(header) <= MAX_LENGTH:
        raise InvalidData(f"{shortest} to {MAX_LENGTH} characters are allowed", field=HEADER)
    # Without its parameters; servers may leave `raw_path` out, and some put the query into it.
    scope = cast("Mapping[str, Any]", request.scope)
    path = scope.get("raw_path", b"").partition(b"?")[0].decode("latin-1") or scope["path"]
    # Hashed, because the key is stored and a manage token must not be.
    return hashlib.sha256(msgspec.json.encode([actor, request.method, path, header])).hexdigest()
