"""What filters over relations and links mean."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from core.errors import InvalidData
from core.query import Query

from .rows import Rows
from .studio import INVOICE, LESSON, TEACHER, lesson_invoice, lesson_pupil


@pytest.fixture(autouse=True)
async def studio(rows: Rows) -> None:
    """Two invoices of two items each, one of none; lessons with a note, without one, and without an invoice."""
    await rows.invoice("inv_1", status="open")
    await rows.invoice("inv_2", status=None)
    await rows.invoice("inv_3", status="paid")
    await rows.item("itm_1", "inv_1", title="Sheet", quantity=1)
    await rows.item("itm_2", "inv_1", title="Lamp", quantity=2)
    await rows.item("itm_3", "inv_2", title="Sheet", quantity=2)
    await rows.item("itm_4", "inv_2", title="Lamp", quantity=None)
    await rows.teacher("tea_1")
    for number, note in (1, "x"), (2, None), (3, "y"), (4, "x"):
        await rows.lesson(f"les_{number}", note=note, teacher_id="tea_1")
        if number < 4:
            await rows.link(lesson_invoice, f"les_{number}", f"inv_{number}")


async def lessons(query: Query, filters: Mapping[str, Any]) -> str:
    """Return the numbers of the lessons that are left."""
    page = await query.graph(LESSON, fields=["id"], filters=filters, count=True)
    assert page.count == len(page.data)
    return "".join(row["id"][-1] for row in page.data)


async def invoices(query: Query, filters: Mapping[str, Any]) -> str:
    return "".join(row["id"][-1] for row in (await query.graph(INVOICE, fields=["id"], filters=filters)).data)


async def test_what_is_said_of_one_path_to_many_is_met_by_the_same_row(query: Query):
    assert await invoices(query, {"items.title": "Sheet", "items.quantity": 2}) == "2"
    assert await lessons(query, {"invoice.items.title": "Sheet", "invoice.items.quantity": 2}) == "2"
    assert await invoices(query, {"items.quantity": {"$gt": 1, "$lt": 3}, "items.title": "Lamp"}) == "1"


async def test_what_is_said_in_several_objects_may_be_met_by_several_rows(query: Query):
    assert await invoices(query, {"$and": [{"items.title": "Sheet"}, {"items.quantity": 2}]}) == "12"


async def test_a_row_of_many_has_to_be_there_to_meet_anything(query: Query):
    assert await invoices(query, {"items.id": None}) == ""
    assert await invoices(query, {"items.quantity": {"$ne": 7}}) == "12"
    assert await invoices(query, {"items.quantity": {"$ne": 2}, "items.title": "Lamp"}) == "2"
    assert await invoices(query, {"$not": {"items.title": {"$exists": True}}}) == "3"


async def test_a_row_of_one_that_is_missing_is_null_all_over(query: Query):
    assert await lessons(query, {"invoice.id": None}) == "4"
    assert await lessons(query, {"invoice.status": {"$exists": False}}) == "24"
    assert await lessons(query, {"invoice.status": "open"}) == "1"
    assert await lessons(query, {"invoice.lesson.note": None}) == "24"


async def test_unequal_keeps_nulls_and_those_without_a_row(query: Query):
    assert await lessons(query, {"note": {"$ne": "x"}}) == "23"
    assert await lessons(query, {"note": {"$nin": ["x"]}}) == "23"
    assert await lessons(query, {"invoice.status": {"$ne": "open"}}) == "234"
    assert await lessons(query, {"invoice.status": {"$nin": ["open", None]}}) == "3"


async def test_one_of_nothing_matches_nothing(query: Query):
    assert await lessons(query, {"note": []}) == ""
    assert await lessons(query, {"invoice.items.title": {"$in": []}}) == ""
    assert await lessons(query, {"note": {"$nin": []}}) == "1234"


async def test_and_or_and_not_hold_paths_over_links(query: Query):
    assert await lessons(query, {"$or": [{"invoice.status": "paid"}, {"invoice.items.title": "Lamp"}]}) == "123"
    assert await lessons(query, {"$or": [{"invoice.status": "paid"}, {"note": "x", "invoice.id": None}]}) == "34"
    assert await lessons(query, {"$not": {"invoice.items.title": "Lamp"}}) == "34"
    assert await lessons(query, {"$not": {"note": "x"}}) == "23"
    assert await lessons(query, {"$or": []}) == ""
    assert await lessons(query, {"$and": []}) == "1234"


async def test_and_or_and_not_behind_a_path_are_about_the_same_row(query: Query):
    assert await invoices(query, {"items.$or": [{"quantity": 1}, {"quantity": None}], "items.title": "Lamp"}) == "2"
    assert await invoices(query, {"items.$not": {"title": "Sheet"}, "items.quantity": 2}) == "1"


async def test_operators_combine_on_one_field(query: Query):
    assert await invoices(query, {"items.quantity": {"$or": [{"$eq": None}, {"$lt": 2}]}}) == "12"
    assert await invoices(query, {"status": {"$not": {"$eq": "open"}}}) == "23"
    assert await invoices(query, {"status": {"$like": "op%"}}) == "1"
    assert await invoices(query, {"status": {"$ilike": "P%"}}) == "3"


async def test_values_of_one_shape_share_a_plan_and_keep_apart(query: Query):
    for status, expected in [("open", "1"), ("paid", "3"), ("open", "1")]:
        assert await invoices(query, {"status": status}) == expected
    assert await invoices(query, {"status": None}) == "2"
    assert await invoices(query, {"status": ["open", None]}) == "12"
    assert await invoices(query, {"status": ["open", "paid"]}) == "13"
    assert await invoices(query, {"status": {"$exists": True}}) == "13"
    assert await invoices(query, {"status": {"$exists": False}}) == "2"


async def test_a_yes_or_no_and_a_list_of_them_have_plans_of_their_own(query: Query, rows: Rows):
    await rows.lesson("les_5", is_open=False)
    for _ in range(2):
        assert await lessons(query, {"is_open": False}) == "5"
        assert await lessons(query, {"is_open": [True]}) == "1234"
        assert await lessons(query, {"is_open": True}) == "1234"
        assert await lessons(query, {"is_open": [False, None]}) == "5"


async def test_filters_leave_the_lists_that_are_shown_whole(query: Query):
    invoice = await query.one(INVOICE, fields=["items.title"], filters={"items.title": "Sheet", "id": "inv_1"})

    assert invoice == {"items": [{"title": "Sheet"}, {"title": "Lamp"}]}


@pytest.mark.parametrize(("deleted", "left"), [("lesson", []), ("pair", [None]), ("pupil", [None])])
async def test_what_is_soft_deleted_is_hidden_at_every_hop_unless_asked_for(
    query: Query, rows: Rows, deleted: str, left: list[None]
):
    await rows.lesson("les_9", deleted=deleted == "lesson", size=9)
    await rows.pupil("pup_9", deleted=deleted == "pupil", email="zoe@example.com")
    await rows.link(lesson_pupil, "les_9", "pup_9", deleted=deleted == "pair")
    fields, shown = ["pupil.email"], [{"pupil": {"email": "zoe@example.com"}}]

    found = await query.graph(LESSON, fields=fields, filters={"size": 9})
    assert [one["pupil"] for one in found.data] == left
    assert (await query.graph(LESSON, fields=fields, filters={"size": 9}, with_deleted=True)).data == shown
    by_pupil = {"size": 9, "pupil.email": "zoe@example.com"}
    assert (await query.graph(LESSON, fields=fields, filters=by_pupil, count=True)).count == 0
    assert (await query.graph(LESSON, fields=fields, filters=by_pupil, with_deleted=True)).data == shown


async def test_soft_deleted_rows_within_a_module_are_hidden_too(query: Query, rows: Rows):
    await rows.teacher("tea_2", deleted=True, rank=5)
    await rows.lesson("les_9", teacher_id="tea_2")
    await rows.item("itm_9", "inv_3", deleted=True)

    lesson = await query.one(LESSON, fields=["teacher.rank"], filters={"id": "les_9"})
    assert lesson == {"teacher": None}
    assert await lessons(query, {"teacher.rank": 5}) == ""
    assert await invoices(query, {"items.title": {"$exists": True}, "id": "inv_3"}) == ""
    teacher = await query.one(TEACHER, fields=["lessons.id"], filters={"id": "tea_2"}, with_deleted=True)
    assert teacher == {"lessons": [{"id": "les_9"}]}


async def test_of_several_dismissed_partners_the_present_one_counts_then_the_last(query: Query, rows: Rows):
    for number, day in (1, 1), (2, 3), (3, 2):
        await rows.pupil(f"pup_{number}", age=number)
        await rows.link(lesson_pupil, "les_1", f"pup_{number}", deleted_at=datetime(2026, 1, day, tzinfo=UTC))

    async def age() -> Any:
        found = await query.one(LESSON, fields=["pupil.age"], filters={"id": "les_1"}, with_deleted=True)
        return found["pupil"]["age"]

    assert await age() == 2
    await rows.pupil("pup_4", age=4)
    await rows.link(lesson_pupil, "les_1", "pup_4")
    assert await age() == 4
    page = await query.graph(LESSON, fields=["id"], filters={"pupil.age": 2}, with_deleted=True)
    assert page.data == []


@pytest.mark.parametrize(
    ("filters", "field", "message"),
    [
        ({"nothing": 1}, "nothing", "lesson has no field or relation 'nothing'"),
        ({"secret": 1}, "secret", "lesson has no field or relation 'secret'"),
        ({"pupil.nothing": 1}, "pupil.nothing", r"pupil has no field or relation 'nothing' \(in 'pupil.nothing'\)"),
        ({"nothing.email": 1}, "nothing.email", "lesson has no field or relation 'nothing'"),
        ({"pupil": 1}, "pupil", "'pupil' is a relation of lesson: name a field of it, such as 'pupil.id'"),
        ({"pupil.": 1}, "pupil.", "'pupil' is a relation of lesson"),
        (
            {"invoice.items": []},
            "invoice.items",
            r"'items' is a relation of invoice: .* 'items.id' \(in 'invoice.items'\)",
        ),
        ({"title.x": 1}, "title.x", "lesson has no field or relation 'title'"),
        ({"$or": [{"$not": {"pupil.no": 1}}]}, "pupil.no", "pupil has no field or relation 'no'"),
        ({"pupil.email": {"$near": 1}}, "pupil.email", r"pupil.email: unknown operator '\$near'"),
        ({"pupil.email": {}}, "pupil.email", "pupil.email: no operator given"),
        ({"pupil.age": "nine"}, "pupil.age", "pupil.age: Expected `int`, got `str`"),
        ({"invoice.items.quantity": {"$gt": None}}, "invoice.items.quantity", "nothing is greater or less than null"),
        ({"starts_at": "2026-01-01T00:00:00"}, "starts_at", "has no time zone"),
        ({"title": "\0"}, "title", "text cannot hold the character NUL"),
        ({"size": 2**31}, "size", "is too large a number"),
    ],
)
async def test_refuses_what_there_is_not_naming_the_path(
    query: Query, filters: dict[str, Any], field: str, message: str
):
    with pytest.raises(InvalidData, match=message) as refused:
        await query.graph(LESSON, fields=["id"], filters=filters)
    assert [error["field"] for error in refused.value.data["errors"]] == [field]


@pytest.mark.parametrize("filters", [["id"], {"$or": {"id": "a"}}, {"$not": ["id"]}, {"$and": "id"}, {1: 2}])
async def test_refuses_filters_of_another_form(query: Query, filters: Any):
    with pytest.raises(InvalidData):
        await query.graph(LESSON, fields=["id"], filters=filters)
