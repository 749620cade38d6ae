"""Which rows a graph holds, and what of them: the scenarios of a query engine by number, and what they leave open."""

from typing import Any

import pytest

from core.container import Scope
from core.errors import InvalidData, NotFound
from core.query import Nested, Page, Query
from core.repository.selection import Order

from .rows import Rows
from .studio import INVOICE, LESSON, PUPIL, TEACHER, lesson_invoice, lesson_pupil, teacher_pupil


@pytest.fixture(autouse=True)
async def studio(rows: Rows) -> None:
    """Three lessons: two of Ann's and of Zoe the pupil, one without anything; one invoice of two items."""
    await rows.teacher("tea_1", name="Ann", rank=1)
    await rows.lesson("les_1", title="Piano", teacher_id="tea_1", size=3)
    await rows.lesson("les_2", title="Flute", teacher_id="tea_1", size=2)
    await rows.lesson("les_3", title="Drums", size=1)
    await rows.pupil("pup_1", email="zoe@example.com")
    await rows.pupil("pup_2", email="yan@example.com")
    await rows.link(lesson_pupil, "les_1", "pup_1")
    await rows.link(lesson_pupil, "les_2", "pup_1")
    await rows.link(teacher_pupil, "tea_1", "pup_1")
    await rows.link(teacher_pupil, "tea_1", "pup_2")
    await rows.invoice("inv_1", number=7)
    await rows.link(lesson_invoice, "les_1", "inv_1")
    await rows.item("itm_1", "inv_1", title="Sheet", quantity=2)
    await rows.item("itm_2", "inv_1", title="Lamp", quantity=None)


def ids(page: Page[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in page.data]


async def test_q1_only_the_fields_that_are_asked_for_come_back(query: Query):
    page = await query.graph(LESSON, fields=["title", "teacher.name", "invoice.items.title"], filters={"id": "les_1"})

    items = [{"title": "Sheet"}, {"title": "Lamp"}]
    assert page.data == [{"title": "Piano", "teacher": {"name": "Ann"}, "invoice": {"items": items}}]


async def test_a_star_stands_for_all_fields_of_an_entity_and_for_no_relation(query: Query):
    lesson = await query.one(LESSON, fields=["*", "pupil.*"], filters={"id": "les_1"})

    assert {"id", "title", "metadata", "pupil"} < lesson.keys()
    assert not {"teacher", "invoice", "secret"} & lesson.keys()
    assert lesson["pupil"].keys() == {*PUPIL.struct.__struct_fields__}


async def test_without_fields_all_of_the_entity_s_own_come_back(query: Query):
    assert (await query.one(PUPIL, filters={"id": "pup_1"})).keys() == {*PUPIL.struct.__struct_fields__}


async def test_the_name_of_a_relation_alone_stands_for_all_its_fields(query: Query):
    lesson = await query.one(LESSON, fields=["pupil"], filters={"id": "les_1"})

    assert lesson["pupil"].keys() == {*PUPIL.struct.__struct_fields__}


async def test_what_there_is_none_of_is_null_and_what_there_could_be_many_of_is_empty(query: Query):
    lesson = await query.one(LESSON, fields=["pupil.id", "teacher.id", "invoice.items.id"], filters={"id": "les_3"})
    teacher = await query.one(TEACHER, fields=["lessons.invoice.items.id"])

    assert lesson == {"pupil": None, "teacher": None, "invoice": None}
    assert teacher == {"lessons": [{"invoice": {"items": [{"id": "itm_1"}, {"id": "itm_2"}]}}, {"invoice": None}]}


async def test_q3_one_refuses_an_unknown_id(query: Query):
    with pytest.raises(NotFound, match=r"no lesson with \{'id': 'les_9'\}"):
        await query.one(LESSON, filters={"id": "les_9"})


async def test_one_refuses_several(query: Query):
    with pytest.raises(NotFound, match="several lesson with None"):
        await query.one(LESSON)


async def test_q5_a_filter_on_a_linked_entity_restricts_the_root(query: Query):
    for path, value, expected in [
        ("pupil.email", "zoe@example.com", ["les_1", "les_2"]),
        ("invoice.number", 7, ["les_1"]),
        ("invoice.items.title", "Lamp", ["les_1"]),
        ("teacher.pupils.email", "yan@example.com", ["les_1", "les_2"]),
        ("pupil.email", "nobody@example.com", []),
    ]:
        assert ids(await query.graph(LESSON, fields=["id"], filters={path: value})) == expected


async def test_q6_goes_backwards_and_over_several_hops(query: Query):
    invoice = await query.one(INVOICE, fields=["lesson.pupil.mentors.name", "lesson.teacher.pupils.id"])
    pupil = await query.one(PUPIL, fields=["lessons.title", "mentors.name"], filters={"lessons.title": "Flute"})

    pupils = [{"id": "pup_1"}, {"id": "pup_2"}]
    assert invoice == {"lesson": {"pupil": {"mentors": [{"name": "Ann"}]}, "teacher": {"pupils": pupils}}}
    assert pupil == {"lessons": [{"title": "Piano"}, {"title": "Flute"}], "mentors": [{"name": "Ann"}]}


async def test_q7_counts_the_rows_that_a_filter_over_links_leaves(query: Query):
    for filters, expected in [
        ({"pupil.email": "zoe@example.com"}, 2),
        ({"invoice.items.quantity": {"$exists": True}}, 1),
        ({"teacher.pupils.id": ["pup_1", "pup_2"]}, 2),
        ({"pupil.id": None}, 1),
    ]:
        page = await query.graph(LESSON, fields=["id"], filters=filters, take=1, count=True)
        assert (len(page.data), page.count) == (1, expected)


async def test_q8_counts_without_skipping_anything(query: Query):
    assert (await query.graph(LESSON, fields=["id"], count=True)).count == 3
    assert (await query.graph(LESSON, fields=["id"], take=0, count=True)) == Page([], 3)
    assert (await query.graph(LESSON, fields=["id"], take=2)).count is None


async def test_turns_pages(query: Query):
    pages = [ids(await query.graph(LESSON, fields=["id"], take=2, skip=skip)) for skip in (0, 2, 4)]

    assert pages == [["les_1", "les_2"], ["les_3"], []]
    assert ids(await query.graph(LESSON, fields=["id"], skip=1)) == ["les_2", "les_3"]


async def test_sorts_by_fields_of_related_rows_with_nulls_last_and_ids_breaking_ties(query: Query, rows: Rows):
    await rows.teacher("tea_2", name="Bob", rank=None)
    await rows.lesson("les_4", teacher_id="tea_2")
    cases: list[tuple[Order, list[str]]] = [
        ({"teacher.name": "asc"}, ["les_1", "les_2", "les_4", "les_3"]),
        ({"teacher.name": "desc"}, ["les_4", "les_1", "les_2", "les_3"]),
        ({"teacher.rank": "desc", "size": "asc"}, ["les_2", "les_1", "les_3", "les_4"]),
        ({"id": "desc"}, ["les_4", "les_3", "les_2", "les_1"]),
    ]
    for order, expected in cases:
        found = await query.graph(LESSON, fields=["title", "id"], order=order)
        assert ids(found) == expected
        assert ids(await query.graph(LESSON, fields=["id"], order=order, take=2, skip=1)) == expected[1:3]


async def test_text_sorts_by_code_point(query: Query, rows: Rows):
    for number, title in enumerate(["a", "B", "ä", "A", "b"]):
        await rows.lesson(f"les_1{number}", title=title, size=50)

    page = await query.graph(LESSON, fields=["title"], filters={"size": 50}, order={"title": "asc"})

    assert [row["title"] for row in page.data] == ["A", "B", "a", "b", "ä"]
    # Databases of tests may sort so by themselves.
    sql, _parameters, _plan = await query.explain(LESSON, fields=["title"], order={"title": "asc"})
    assert 'COLLATE "C"' in sql


async def test_lists_take_so_many_for_each_parent_in_their_own_order(query: Query, rows: Rows):
    await rows.teacher("tea_2", name="Bob")
    for number in range(4, 7):
        await rows.lesson(f"les_{number}", teacher_id="tea_2", size=number)
    nested = {"lessons": Nested(take=2, order={"size": "desc"}), "pupils": Nested(order={"email": "asc"})}

    page = await query.graph(TEACHER, fields=["lessons.id", "pupils.id"], nested=nested)

    assert page.data[0] == {"lessons": [{"id": "les_1"}, {"id": "les_2"}], "pupils": [{"id": "pup_2"}, {"id": "pup_1"}]}
    assert page.data[1] == {"lessons": [{"id": "les_6"}, {"id": "les_5"}], "pupils": []}


async def test_lists_sort_by_fields_of_rows_one_to_one_with_theirs(query: Query):
    nested = {"lessons": Nested(order={"invoice.number": "desc"}, take=1)}
    longer = {"lessons": Nested(order={"invoice.number": "desc"})}

    assert (await query.one(TEACHER, fields=["lessons.id"], nested=nested)) == {"lessons": [{"id": "les_1"}]}
    assert [one["id"] for one in (await query.one(TEACHER, fields=["lessons.id"], nested=longer))["lessons"]] == [
        "les_1",
        "les_2",
    ]


async def test_deep_lists_take_so_many_too(query: Query):
    nested = {"lessons.invoice.items": Nested(order={"title": "asc"}, take=1)}

    teacher = await query.one(TEACHER, fields=["lessons.id", "lessons.invoice.items.title"], nested=nested)

    assert teacher["lessons"][0]["invoice"] == {"items": [{"title": "Lamp"}]}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("lesson", "'lesson' is no list in this graph"),
        ("teacher", "'teacher' is no list in this graph"),
        ("invoice.items", "'invoice.items' is no list in this graph"),
    ],
)
async def test_refuses_to_arrange_what_is_no_list_of_the_graph(query: Query, path: str, message: str):
    with pytest.raises(InvalidData, match=message):
        await query.graph(LESSON, fields=["teacher.name"], nested={path: Nested(take=1)})


async def test_sees_what_its_own_transaction_has_written_and_nobody_else_does(scope: Scope, query: Query, rows: Rows):
    await rows.lesson("les_8")

    async with scope.container.scope() as other:
        assert ids(await other.query.graph(LESSON, fields=["id"])) == []
    assert "les_8" in ids(await query.graph(LESSON, fields=["id"]))
