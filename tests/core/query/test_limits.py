"""What may come from outside: paths that lead nowhere or too far, and text that wants to be SQL."""

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from core.errors import InvalidData
from core.query import Nested, Query
from core.query.limits import DEEPEST
from core.testing import application_on

from .rows import Rows
from .studio import LESSON, LINKS, MODULES, TEACHER

EVIL = ["'", '"', "; DROP TABLE lesson", "$", "%s", "%(x)s", "\\", ".", "*", "--", "/*", ":x", "id", "pupil", "\0", "é"]
MARK = "mark"
NAMES = ["title", "note", "size", "level", "day", "at"]
evil = st.lists(st.sampled_from(EVIL), min_size=1, max_size=4).map("".join) | st.text(max_size=20)


async def refusal(query: Query, **options: Any) -> list[str]:
    """Return the fields that a query is refused for."""
    with pytest.raises(InvalidData) as refused:
        await query.graph(LESSON, **options)
    return [error["field"] for error in refused.value.data.get("errors", [{"field": ""}])]


@pytest.mark.parametrize(
    "path",
    ["", ".", "*.id", "nothing", "secret", "teacher.secret", "title.x", "pupil.", "pupil..id", ".id", "pupil.*.id"],
)
async def test_refuses_fields_that_there_are_not_naming_the_path(query: Query, path: str):
    assert await refusal(query, fields=["id", path]) == [path]


@pytest.mark.parametrize("fields", ["id", [1], [None], [["id"]]])
async def test_refuses_fields_of_another_form(query: Query, fields: Any):
    assert await refusal(query, fields=fields) == ["fields"]


async def test_refuses_to_answer_nothing(query: Query):
    assert await refusal(query, fields=[]) == ["fields"]


@pytest.mark.parametrize("path", ["nothing", "secret", "pupil", "pupil.nothing", "nothing.id", "title.x", ""])
async def test_refuses_an_order_by_what_there_is_not_naming_the_path(query: Query, path: str):
    assert await refusal(query, order={path: "asc"}) == [path]


@pytest.mark.parametrize("order", ["title", ["title"], {1: "asc"}])
async def test_refuses_an_order_of_another_form(query: Query, order: Any):
    assert await refusal(query, order=order) == ["order"]


async def test_refuses_to_sort_by_one_of_many(query: Query):
    assert await refusal(query, order={"invoice.items.title": "asc"}) == ["invoice.items.title"]
    assert await refusal(query, fields=["teacher.lessons.id"], nested={"teacher.lessons": Nested(order={"x": "asc"})})


@pytest.mark.parametrize("direction", ["up", "ASC", "", None, ["asc"], "asc; DROP TABLE lesson"])
async def test_refuses_another_direction(query: Query, direction: Any):
    assert await refusal(query, order={"title": direction}) == ["title"]


@pytest.mark.parametrize("number", [-1, 2**63, 1.5, "1", True, None])
async def test_refuses_pages_that_there_cannot_be(query: Query, number: Any):
    assert await refusal(query, skip=number) == ["skip"]
    if number is not None:
        assert await refusal(query, take=number) == ["take"]
        nested = {"teacher.lessons": Nested(take=number)}
        assert await refusal(query, fields=["teacher.lessons.id"], nested=nested) == ["take"]


async def test_paths_go_as_deep_as_allowed_and_no_deeper(query: Query, rows: Rows):
    await rows.teacher("tea_1")
    await rows.lesson("les_1", teacher_id="tea_1")
    deep = "teacher.lessons." * (DEEPEST // 2)

    assert len((await query.graph(LESSON, fields=[f"{deep}id"], filters={f"{deep}id": "les_1"})).data) == 1
    too_deep = f"{deep}teacher.id"
    assert await refusal(query, fields=[too_deep]) == [too_deep]
    assert await refusal(query, fields=[f"{deep}teacher"]) == [f"{deep}teacher."]
    assert await refusal(query, filters={too_deep: "tea_1"}) == [too_deep]
    assert await refusal(query, order={"teacher." * (DEEPEST + 1) + "id": "asc"})


async def test_a_graph_can_only_be_so_wide(query: Query):
    ways = ["teacher", "pupil", "invoice.lesson", "invoice.items", "teacher.pupils", "teacher.lessons", "pupil.mentors"]
    wide = [f"teacher.lessons.{first}.lessons.{way}.id" for first in ("teacher", "pupil") for way in ways]
    wider = [f"pupil.lessons.{path}" for path in wide]

    await query.graph(LESSON, fields=wide)
    with pytest.raises(InvalidData, match="at most 40 relations in one query, not 46"):
        await query.graph(LESSON, fields=[*wide, *wider])
    with pytest.raises(InvalidData, match="at most 400 fields"):
        await query.graph(LESSON, fields=["id"] * 401)
    with pytest.raises(InvalidData, match="at most 200 conditions"):
        await query.graph(LESSON, filters={"$or": [{"id": "a"}] * 201})
    with pytest.raises(InvalidData, match="at most 200 conditions"):
        await query.graph(LESSON, filters={"size": {"$not": {"$or": [{"$exists": True}] * 201}}})
    with pytest.raises(InvalidData, match="at most 1000 values"):
        await query.graph(LESSON, filters={"tags": [["x"]] * 1001})
    await query.graph(LESSON, filters={"size": list(range(100_000))})
    with pytest.raises(InvalidData, match="at most 1000 hops, objects and conditions"):
        await query.graph(LESSON, filters={"$or": [{f"{'teacher.lessons.' * 4}id": "a"}] * 100})
    with pytest.raises(InvalidData, match="at most 20 fields to sort by"):
        await query.graph(
            LESSON, order={f"{'invoice.lesson.' * hops}{name}": "asc" for hops in range(4) for name in NAMES}
        )


async def test_a_struct_that_holds_itself_is_too_deep(query: Query):
    with pytest.raises(InvalidData, match="has more than 8 hops"):
        await query.graph(TEACHER, select=TEACHER.struct)


async def test_filters_can_only_be_nested_so_deep(query: Query):
    filters: dict[str, Any] = {"id": "les_1"}
    for _ in range(25):
        filters = {"$not": filters}
    with pytest.raises(InvalidData, match="nested too deeply"):
        await query.graph(LESSON, filters=filters)


async def test_long_nonsense_is_told_in_short(query: Query):
    with pytest.raises(InvalidData) as refused:
        await query.graph(LESSON, fields=["x" * 100_000])
    assert len(str(refused.value)) < 300


def test_nothing_from_outside_becomes_sql_but_by_the_registry(studio_url: str, runner: asyncio.Runner):
    """Whatever is said in paths, operators, directions and values: refused, or a statement without a word of it."""
    application = application_on(studio_url, modules=MODULES, links=LINKS)

    async def accepted(options: dict[str, Any]) -> bool:
        async with application.scope() as scope:
            try:
                await scope.query.graph(LESSON, **options)
            except InvalidData:
                return False
            sql, parameters, _plan = await scope.query.explain(LESSON, **options)
            assert MARK not in sql
            assert any(MARK in str(value) for value in parameters.values())
        return True

    @settings(max_examples=300, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])
    @given(evil, evil)
    def each(word: str, value: str) -> None:
        word, value = f"{MARK}{word}", f"{MARK}{value}"
        for place in ("", "pupil.", "invoice.items."):
            assert not runner.run(accepted({"fields": [f"{place}{word}"]}))
            assert not runner.run(accepted({"order": {f"{place}{word}": "asc"}}))
            assert not runner.run(accepted({"filters": {f"{place}{word}": 1}}))
            assert not runner.run(accepted({"filters": {f"{place}id": {f"${word}": 1}}}))
            assert not runner.run(accepted({"nested": {f"{place}{word}": Nested(take=1)}}))
            filters = {"$or": [{f"{place}id": value}, {f"{place}id": {"$like": value}}, {f"{place}id": [value]}]}
            telling.append(runner.run(accepted({"filters": filters})))
        assert not runner.run(accepted({"order": {"title": word}}))

    telling: list[bool] = []
    try:
        each()
    finally:
        runner.run(application.database.dispose())
    assert telling.count(True) > len(telling) / 2
