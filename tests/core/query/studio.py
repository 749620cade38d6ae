"""A toy studio: three modules that know nothing of each other, and links of every cardinality between them."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType
from sqlalchemy import BigInteger, Float, ForeignKey, LargeBinary, Numeric, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.db import EntityColumns, TableBase, module_metadata
from core.entity import belongs_to, has_many
from core.link import define_link
from core.module import Entity, Module, Service


class Level(StrEnum):
    EASY = "easy"
    HARD = "hard"


class StudioBase(TableBase):
    metadata = module_metadata()


class PeopleBase(TableBase):
    metadata = module_metadata()


class SalesBase(TableBase):
    metadata = module_metadata()


class TeacherTable(EntityColumns, StudioBase):
    __tablename__ = "teacher"
    name: Mapped[str]
    rank: Mapped[int | None]


class LessonTable(EntityColumns, StudioBase):
    __tablename__ = "lesson"
    title: Mapped[str]
    note: Mapped[str | None]
    size: Mapped[int]
    teacher_id: Mapped[str | None] = mapped_column(ForeignKey("teacher.id"), index=True)
    level: Mapped[str] = mapped_column(server_default="easy")
    starts_at: Mapped[datetime | None]
    day: Mapped[date | None]
    at: Mapped[time | None]
    lasts: Mapped[timedelta | None]
    weight: Mapped[int | None] = mapped_column(BigInteger)
    price: Mapped[Decimal | None] = mapped_column(Numeric(12, 3))
    ratio: Mapped[float | None] = mapped_column(Float)
    cover: Mapped[bytes | None] = mapped_column(LargeBinary)
    code: Mapped[UUID | None] = mapped_column(Uuid)
    tags: Mapped[list[str] | None] = mapped_column(JSONB(none_as_null=True))
    colours: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    is_open: Mapped[bool] = mapped_column(server_default="true")
    secret: Mapped[str | None]


class PupilTable(EntityColumns, PeopleBase):
    __tablename__ = "pupil"
    email: Mapped[str | None] = mapped_column(index=True)
    age: Mapped[int]


class InvoiceTable(EntityColumns, SalesBase):
    __tablename__ = "invoice"
    number: Mapped[int]
    status: Mapped[str | None]


class ItemTable(EntityColumns, SalesBase):
    __tablename__ = "invoice_item"
    invoice_id: Mapped[str] = mapped_column(ForeignKey("invoice.id"), index=True)
    title: Mapped[str]
    quantity: Mapped[int | None]


class Record(Struct, frozen=True, kw_only=True):
    id: str
    metadata: dict[str, Any] | None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None


class Teacher(Record, frozen=True, kw_only=True):
    name: str
    rank: int | None
    lessons: "list[Lesson] | UnsetType" = UNSET


class Lesson(Record, frozen=True, kw_only=True):
    title: str
    note: str | None
    size: int
    teacher_id: str | None
    level: Level
    starts_at: datetime | None
    day: date | None
    at: time | None
    lasts: timedelta | None
    weight: int | None
    price: Decimal | None
    ratio: float | None
    cover: bytes | None
    code: UUID | None
    tags: list[str] | None
    colours: list[str] | None
    is_open: bool
    teacher: Teacher | None | UnsetType = UNSET


class Pupil(Record, frozen=True, kw_only=True):
    email: str | None
    age: int


class Item(Record, frozen=True, kw_only=True):
    invoice_id: str
    title: str
    quantity: int | None


class Invoice(Record, frozen=True, kw_only=True):
    number: int
    status: str | None
    items: list[Item] | UnsetType = UNSET


TEACHER = Entity(
    "teacher",
    table=TeacherTable,
    struct=Teacher,
    id_prefix="tea",
    relations={"lessons": has_many("lesson", by="teacher_id")},
)
LESSON = Entity(
    "lesson",
    table=LessonTable,
    struct=Lesson,
    id_prefix="les",
    relations={"teacher": belongs_to("teacher", by="teacher_id")},
)
PUPIL = Entity("pupil", table=PupilTable, struct=Pupil, id_prefix="pup")
INVOICE = Entity(
    "invoice",
    table=InvoiceTable,
    struct=Invoice,
    id_prefix="inv",
    relations={"items": has_many("item", by="invoice_id")},
)
ITEM = Entity("item", table=ItemTable, struct=Item, id_prefix="itm")


class StudioService(Service):
    lessons = LESSON.reader()


class PeopleService(Service):
    pupils = PUPIL.reader()


class SalesService(Service):
    invoices = INVOICE.reader()


studio = Module("studio", service=StudioService, entities=[TEACHER, LESSON])
people = Module("people", service=PeopleService, entities=[PUPIL])
sales = Module("sales", service=SalesService, entities=[INVOICE, ITEM])
MODULES: list[Module[Any]] = [studio, people, sales]

lesson_pupil = define_link(LESSON.many(), PUPIL)
lesson_invoice = define_link(LESSON, INVOICE)
teacher_pupil = define_link(TEACHER.many(), PUPIL.many(), left_name="mentors")
LINKS = [lesson_pupil, lesson_invoice, teacher_pupil]
BASES = [StudioBase, PeopleBase, SalesBase]
