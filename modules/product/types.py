"""The contract of the product module: what other code sees of its records."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import UNSET, Struct, UnsetType

Metadata = dict[str, Any]


class ProductStatus(StrEnum):
    """Whether storefronts show a product."""

    DRAFT = "draft"
    PUBLISHED = "published"


class Product(Struct, frozen=True, kw_only=True):
    """Something in the catalogue; `handle` names it in addresses."""

    id: str
    title: str
    handle: str
    status: ProductStatus
    description: str | None
    metadata: Metadata | None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None


class CreateProduct(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new product; without `handle` it is made from the title."""

    title: str
    handle: str | UnsetType = UNSET
    status: ProductStatus = ProductStatus.DRAFT
    description: str | None = None
    metadata: Metadata | None = None


class UpdateProduct(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes to one product; fields left out stay as they are, the handle too when the title changes."""

    id: str
    title: str | UnsetType = UNSET
    handle: str | UnsetType = UNSET
    status: ProductStatus | UnsetType = UNSET
    description: str | None | UnsetType = UNSET
    metadata: Metadata | None | UnsetType = UNSET
