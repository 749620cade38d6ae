"""Toys have names."""

import msgspec
from sqlalchemy.orm import Mapped

from core.db import EntityColumns, TableBase, module_metadata
from core.module import Entity, Service


class Base(TableBase):
    metadata = module_metadata()


class ToyTable(EntityColumns, Base):
    __tablename__ = "toy"
    name: Mapped[str]


class Toy(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str


class CreateToy(msgspec.Struct, frozen=True, kw_only=True):
    name: str


TOY = Entity("toy", table=ToyTable, struct=Toy, create=CreateToy, update=CreateToy, id_prefix="toy")


class ToyService(Service):
    toys = TOY.repository()
