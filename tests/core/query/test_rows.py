"""What values come back as, from Structs and as JSON."""

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pytest
from msgspec import UNSET, Meta, Struct, UnsetType, field

from core.errors import ConfigurationError, InvalidData
from core.query import Nested, Page, Query

from .rows import Rows
from .studio import INVOICE, LESSON, PUPIL, TEACHER, Lesson, Level, lesson_invoice, lesson_pupil

VALUES: dict[str, Any] = {
    "title": 'Ünïcode "quoted" \\ \n %s {}',
    "note": None,
    "level": Level.HARD,
    "starts_at": datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC),
    "day": date(2026, 3, 4),
    "at": time(5, 6, 7, 89),
    "lasts": timedelta(days=2, hours=3, microseconds=50),
    "weight": 2**62,
    "price": Decimal("12.500"),
    "ratio": 0.1,
    "cover": bytes(range(256)),
    "code": UUID(int=7),
    "tags": ["x", "ü"],
    "colours": ["a,b", '"'],
    "is_open": False,
    "metadata": {"a": [1, 2.5, None, {"b": "ü"}], "": True},
}


class PupilView(Struct, frozen=True, kw_only=True):
    email: str | None


class ItemView(Struct, frozen=True, kw_only=True):
    title: str | UnsetType = UNSET
    quantity: int | None | UnsetType = UNSET


class InvoiceView(Struct, frozen=True, kw_only=True, rename="camel"):
    number: int | UnsetType = UNSET
    created_at: datetime | UnsetType = UNSET
    items: Annotated[list[ItemView], Meta(description="Lines.")] | UnsetType = UNSET


class LessonView(Struct, frozen=True, kw_only=True):
    id: str
    pupil: PupilView | None = None
    invoice: InvoiceView | None | UnsetType = UNSET
    size: int | UnsetType = field(default=UNSET, name="length")


@pytest.fixture(autouse=True)
async def lesson(rows: Rows) -> None:
    await rows.lesson("les_1", size=4, **VALUES)
    await rows.pupil("pup_1", email="zoe@example.com")
    await rows.link(lesson_pupil, "les_1", "pup_1")
    await rows.invoice("inv_1", number=7)
    await rows.link(lesson_invoice, "les_1", "inv_1")
    await rows.item("itm_1", "inv_1", title="Sheet", quantity=2)


async def test_values_have_the_types_of_the_struct(query: Query):
    found = await query.one(LESSON)

    assert {name: found[name] for name in VALUES} == VALUES
    assert isinstance(found["level"], Level)
    assert found["starts_at"].tzinfo is not None


async def test_nulls_of_every_type_come_back(query: Query, rows: Rows):
    nothing = {name: None for name in VALUES if name not in ("title", "level", "is_open")}
    await rows.lesson("les_2", **nothing)

    found = await query.one(LESSON, filters={"id": "les_2"})

    assert {name: found[name] for name in nothing} == nothing


async def test_the_entity_s_own_struct_can_be_the_selection(query: Query):
    fields = ["*", "teacher.*"]

    found = await query.one(LESSON, select=Lesson, fields=fields)

    assert found.teacher is None
    assert {name: getattr(found, name) for name in VALUES} == VALUES


async def test_json_is_to_the_key_what_would_be_encoded(query: Query, rows: Rows):
    await rows.lesson("les_2", starts_at=datetime(2026, 3, 4, 5, 6, 7, 500_000, tzinfo=UTC), at=time(5))
    await rows.lesson("les_3", starts_at=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC), at=time(5, 6, 7, 500_000))
    asked: dict[str, Any] = {"fields": ["*", "pupil.*", "invoice.items.*"], "count": True}

    shown = await query.graph_json(LESSON, **asked)

    assert json.loads(shown) == json.loads(msgspec.json.encode(await query.graph(LESSON, **asked)))
    times = [one["starts_at"] for one in json.loads(shown)["data"]]
    assert times == ["2026-03-04T05:06:07.000089Z", "2026-03-04T05:06:07.500000Z", "2026-03-04T05:06:07Z"]


@pytest.mark.parametrize("seconds", [0, 3600, 86400, 90061.5, -1, -86400, -0.000001])
async def test_durations_are_those_that_were_written(query: Query, rows: Rows, seconds: float):
    lasts = timedelta(seconds=seconds)
    await rows.lesson("les_2", lasts=lasts)
    asked: dict[str, Any] = {"fields": ["lasts"], "filters": {"lasts": lasts}}

    page = await query.graph(LESSON, **asked)

    assert page.data == [{"lasts": lasts}]
    assert await query.graph_json(LESSON, **asked) == msgspec.json.encode(page)


async def test_json_of_nothing_is_an_empty_page(query: Query):
    assert await query.graph_json(TEACHER) == b'{"data":[],"count":null}'
    assert await query.graph_json(TEACHER, count=True) == b'{"data":[],"count":0}'


async def test_a_struct_is_the_selection_and_the_type(query: Query):
    page = await query.graph(LESSON, select=LessonView, count=True)

    invoice = page.data[0].invoice
    assert isinstance(invoice, InvoiceView)
    assert isinstance(invoice.created_at, datetime)
    assert invoice == InvoiceView(number=7, created_at=invoice.created_at, items=[ItemView(title="Sheet", quantity=2)])
    pupil = PupilView(email="zoe@example.com")
    assert page == Page([LessonView(id="les_1", pupil=pupil, invoice=invoice, size=4)], 1)


async def test_keys_of_json_are_those_of_the_struct(query: Query):
    shown = json.loads(await query.graph_json(LESSON, select=LessonView))

    assert shown["data"][0].keys() == {"id", "length", "pupil", "invoice"}
    assert shown["data"][0]["invoice"].keys() == {"number", "createdAt", "items"}


async def test_fields_choose_among_those_of_a_struct(query: Query):
    found = await query.one(LESSON, select=LessonView, fields=["id", "invoice.items.title"])

    assert found == LessonView(id="les_1", invoice=InvoiceView(items=[ItemView(title="Sheet")]))
    whole = await query.one(LESSON, select=LessonView, fields=["*", "invoice"])
    assert isinstance(whole.invoice, InvoiceView)
    assert whole.invoice.number == 7
    assert whole.pupil is None


@pytest.mark.parametrize(
    "path", ["title", "pupil.age", "teacher.name", "invoice.items.id", "invoice.created", "length"]
)
async def test_fields_cannot_leave_a_struct(query: Query, path: str):
    with pytest.raises(InvalidData) as refused:
        await query.graph(LESSON, select=LessonView, fields=["id", path])
    assert refused.value.data["errors"][0]["field"] == path


async def test_what_a_struct_demands_cannot_be_left_out(query: Query):
    with pytest.raises(ConfigurationError, match=r"LessonView\.id needs a default to be left out"):
        await query.graph(LESSON, select=LessonView, fields=["pupil.email"])


class Strict(Struct, frozen=True):
    invoice: InvoiceView


class Flat(Struct, frozen=True):
    invoice: str


class Foreign(Struct, frozen=True):
    duration: int


async def test_says_which_struct_the_rows_do_not_fit(query: Query, rows: Rows):
    await rows.lesson("les_2")

    with pytest.raises(ConfigurationError, match=r"`object`, got `null` - at `\$\[1\].invoice`"):
        await query.graph(LESSON, select=Strict)
    with pytest.raises(ConfigurationError, match=r"Flat.invoice has to be a Struct or a list of one"):
        await query.graph(LESSON, select=Flat)
    with pytest.raises(InvalidData, match="lesson has no field or relation 'duration'"):
        await query.graph(LESSON, select=Foreign)


async def test_one_returns_the_struct(query: Query):
    found = await query.one(INVOICE, select=InvoiceView, nested={"items": Nested(take=0)})

    assert found.items == []
    assert await query.one(PUPIL, select=PupilView) == PupilView(email="zoe@example.com")
