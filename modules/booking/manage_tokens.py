"""The manage token of a guest: derived from the secret, never stored, revoked by raising `token_version`."""

from base64 import urlsafe_b64encode
from collections.abc import Sequence
from hmac import compare_digest, digest

from core.errors import ConfigurationError

from .types import Booking


def manage_token(booking: Booking, secrets: Sequence[str]) -> str:
    """Return the token that lets its bearer manage this booking; the first secret signs."""
    if not secrets:
        raise ConfigurationError("no secret to sign with: set HOLDFAST_SECRET")
    return _sign(booking, secrets[0])


def manages(token: str, booking: Booking, secrets: Sequence[str]) -> bool:
    """Whether a token is this booking's, signed with any of the secrets; compared in constant time."""
    given = token.encode(errors="replace")
    return any(compare_digest(given, _sign(booking, secret).encode()) for secret in secrets)


def _sign(booking: Booking, secret: str) -> str:
    message = f"manage:{booking.id}:{booking.token_version}"
    return urlsafe_b64encode(digest(secret.encode(), message.encode(), "sha256")).rstrip(b"=").decode()
