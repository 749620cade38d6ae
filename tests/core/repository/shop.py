"""A toy shop: two related entities with a column of every kind."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import UNSET, Struct, UnsetType
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.db import EntityColumns, TableBase, module_metadata
from core.entity import belongs_to, has_many
from core.module import Entity, Module, Service


class Size(StrEnum):
    SMALL = "small"
    LARGE = "large"


class Base(TableBase):
    metadata = module_metadata()


class MakerTable(EntityColumns, Base):
    __tablename__ = "maker"
    name: Mapped[str]
    country: Mapped[str | None]


class ToyTable(EntityColumns, Base):
    __tablename__ = "toy"
    name: Mapped[str]
    sku: Mapped[str | None]
    maker_id: Mapped[str | None] = mapped_column(ForeignKey("maker.id"))
    size: Mapped[str] = mapped_column(server_default="small")
    price: Mapped[int]
    weight: Mapped[int | None] = mapped_column(BigInteger)
    stock: Mapped[int] = mapped_column(default=7)
    released_at: Mapped[datetime | None]
    is_sold: Mapped[bool] = mapped_column(server_default=text("false"))
    tags: Mapped[list[str] | None] = mapped_column(JSONB)
    colours: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    cost: Mapped[int | None]
    __table_args__ = (
        CheckConstraint("price >= 0", name="price"),
        UniqueConstraint("name", "maker_id"),
        Index("IDX_toy_sku", "sku", unique=True, postgresql_where=text("deleted_at IS NULL")),
    )


class Maker(Struct, frozen=True, kw_only=True):
    id: str
    name: str
    country: str | None
    metadata: dict[str, Any] | None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    toys: list["Toy"] | UnsetType = UNSET


class CreateMaker(Struct, frozen=True, kw_only=True):
    name: str
    country: str | None = None
    metadata: dict[str, Any] | None = None


class UpdateMaker(Struct, frozen=True, kw_only=True):
    id: str
    name: str | UnsetType = UNSET


class Toy(Struct, frozen=True, kw_only=True):
    id: str
    name: str
    sku: str | None
    maker_id: str | None
    size: Size
    price: int
    weight: int | None
    stock: int
    released_at: datetime | None
    is_sold: bool
    tags: list[str] | None
    colours: list[str] | None
    metadata: dict[str, Any] | None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    maker: Maker | None | UnsetType = UNSET


class CreateToy(Struct, frozen=True, kw_only=True):
    name: str = "Bear"
    sku: str | None = None
    maker_id: str | None = None
    size: Size | UnsetType = UNSET
    price: int = 100
    weight: int | None = None
    stock: int | UnsetType = UNSET
    released_at: datetime | None = None
    is_sold: bool | UnsetType = UNSET
    tags: list[str] | None = None
    colours: list[str] | None = None
    metadata: dict[str, Any] | None = None
    cost: int | None = None


class UpdateToy(Struct, frozen=True, kw_only=True):
    id: str
    name: str | UnsetType = UNSET
    sku: str | None | UnsetType = UNSET
    maker_id: str | None | UnsetType = UNSET
    size: Size | UnsetType = UNSET
    price: int | UnsetType = UNSET
    tags: list[str] | None | UnsetType = UNSET


class ToyName(Struct, frozen=True, kw_only=True):
    id: str
    name: str


MAKER = Entity(
    "maker",
    table=MakerTable,
    struct=Maker,
    create=CreateMaker,
    update=UpdateMaker,
    id_prefix="mkr",
    relations={"toys": has_many("toy", by="maker_id")},
)
TOY = Entity(
    "toy",
    table=ToyTable,
    struct=Toy,
    create=CreateToy,
    update=UpdateToy,
    id_prefix="toy",
    relations={"maker": belongs_to("maker", by="maker_id")},
    searchable=["name", "sku"],
)


class ShopService(Service):
    makers = MAKER.repository()
    toys = TOY.repository()
    catalogue = TOY.reader()


shop = Module("shop", service=ShopService, entities=[MAKER, TOY])
