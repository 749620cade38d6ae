"""One statement whatever is asked, compiled once for each shape; and what a registry does not take."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from bench.recording import Recorder
from core.app import Application
from core.container import Scope
from core.errors import ConfigurationError
from core.link import define_link
from core.module import Entity
from core.query import Graphs, Nested
from core.query import plan as plans
from core.query.plan import Plans
from core.query.registry import Registry
from core.query.request import Request
from core.testing import application_on

from .rows import Rows
from .studio import INVOICE, ITEM, LESSON, LINKS, MODULES, PUPIL, TEACHER, Lesson, LessonTable

DEEP = "teacher.pupils.lessons.invoice.items.title"
ENTITIES = [TEACHER, LESSON, PUPIL, INVOICE, ITEM]


@pytest.fixture
async def recorded(studio_url: str) -> AsyncGenerator[tuple[Scope, Recorder]]:
    """A scope outside of any transaction, and what it sends."""
    application = application_on(studio_url, modules=MODULES, links=LINKS)
    recorder = Recorder(application)
    async with application.scope() as scope:
        await scope.query.graph(TEACHER)
        recorder.listening = True
        yield scope, recorder
    await application.database.dispose()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"fields": ["id"], "count": True},
        {"fields": [DEEP, "*", "pupil.mentors.*"], "take": 5},
        {"fields": [DEEP], "filters": {DEEP: "x", "pupil.email": {"$ne": "y"}}, "count": True, "skip": 3},
        {"fields": [DEEP], "order": {"teacher.name": "desc"}, "nested": {"teacher.pupils": Nested(take=2)}},
        {"fields": ["id"], "filters": {"$or": [{DEEP: "x"}, {"$not": {"invoice.items.quantity": [1, 2]}}]}},
        {"fields": [DEEP], "with_deleted": True, "count": True, "filters": {"pupil.email": None}},
    ],
)
async def test_q9_any_depth_takes_one_statement(recorded: tuple[Scope, Recorder], options: dict[str, Any]):
    scope, recorder = recorded

    await scope.query.graph(LESSON, **options)
    await scope.query.graph_json(LESSON, **options)

    assert len(recorder.statements) == 2
    assert not any(statement.in_transaction for statement in recorder.statements)


async def test_within_a_transaction_it_is_one_statement_of_it(recorded: tuple[Scope, Recorder]):
    scope, recorder = recorded

    async with scope.transaction():
        await scope.query.graph(LESSON, fields=[DEEP])

    assert [statement.in_transaction for statement in recorder.statements] == [True]


async def test_one_shape_is_one_text_whatever_the_values(recorded: tuple[Scope, Recorder]):
    scope, recorder = recorded
    for number in range(1, 4):
        filters = {"pupil.email": f"{number}", "size": {"$lt": number}, "id": [str(n) for n in range(number)]}
        await scope.query.graph(LESSON, fields=[DEEP], filters=filters, take=5, skip=number)

    assert len({statement.query for statement in recorder.statements}) == 1
    assert len({str(statement.params) for statement in recorder.statements}) == 3


def test_a_plan_is_kept_until_many_others_were_wanted(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plans, "MOST_PLANS", 2)
    registry = Registry(ENTITIES, LINKS)
    kept, node = Plans(registry), registry["lesson"]

    def prepare(*fields: str) -> object:
        return kept.prepare(node, Request(fields=fields))[0]

    first = prepare("id")
    assert prepare("id") is first
    second = prepare("title")
    assert prepare("id") is first
    prepare("size")
    assert prepare("id") is first
    assert prepare("title") is not second


def test_two_things_of_one_name_stop_the_start():
    ways = [
        (define_link(LESSON, ITEM, right_name="title"), r"lesson\.title means two things"),
        (define_link(LESSON, ITEM, right_name="teacher"), r"lesson\.teacher means two things"),
        (define_link(LESSON.many(), PUPIL, table="link_again"), r"lesson\.pupil means two things"),
    ]
    for link, message in ways:
        with pytest.raises(ConfigurationError, match=message):
            Graphs(ENTITIES, [*LINKS, link])


@pytest.mark.parametrize("name", ["bill.number", "*", "$and", "1st", "the bill"])
def test_a_name_that_no_path_can_hold_stops_the_start(name: str):
    with pytest.raises(ConfigurationError, match="is no name that a path can hold"):
        Graphs(ENTITIES, [define_link(LESSON, INVOICE, right_name=name)])


def test_a_link_to_an_entity_of_no_module_stops_the_start():
    with pytest.raises(ConfigurationError, match=r"lesson\.item: no module has an entity 'item'"):
        Graphs([LESSON, TEACHER], [define_link(LESSON, ITEM)])


async def test_knows_the_entities_of_its_own_application_alone(studio_app: Application):
    other = Entity("lesson", table=LessonTable, struct=Lesson, id_prefix="les")
    stranger = Entity("stranger", table=LessonTable, struct=Lesson, id_prefix="str")
    async with studio_app.scope() as scope:
        with pytest.raises(ConfigurationError, match="the entity 'lesson' of this application is another one"):
            await scope.query.graph(other)
        with pytest.raises(ConfigurationError, match="no module of this application has an entity 'stranger'"):
            await scope.query.graph(stranger)


async def test_explains_itself(scope: Scope, rows: Rows):
    await rows.lesson("les_1")

    sql, parameters, plan = await scope.query.explain(LESSON, fields=["title"], filters={"id": "les_1"}, skip=3)

    assert "lesson_1.title" in sql
    assert {"les_1", 3} <= set(parameters.values())
    assert "Buffers" in plan
