"""The contract of the customer module: what other code sees of its records."""

from datetime import datetime
from typing import Any

from msgspec import UNSET, Struct, UnsetType

Metadata = dict[str, Any]


class Customer(Struct, frozen=True, kw_only=True):
    """Somebody who buys; a guest until `has_account`."""

    id: str
    email: str | None
    first_name: str | None
    last_name: str | None
    phone: str | None
    has_account: bool
    metadata: Metadata | None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None


class CreateCustomer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new customer; the e-mail address is kept in lower case."""

    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    phone: str | None = None
    has_account: bool = False
    metadata: Metadata | None = None


class UpdateCustomer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes to one customer; fields left out stay as they are."""

    id: str
    email: str | None | UnsetType = UNSET
    first_name: str | None | UnsetType = UNSET
    last_name: str | None | UnsetType = UNSET
    phone: str | None | UnsetType = UNSET
    metadata: Metadata | None | UnsetType = UNSET
