"""Random graphs over random rows answer what their evaluation in memory answers, as objects and as JSON."""

import asyncio
import json
import os
from collections.abc import Iterator
from random import Random
from typing import Any

import msgspec
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from core.app import Application
from core.db import Transaction
from core.query import Nested, Query
from core.testing import application_on

from .oracle import WAYS, Oracle, Question, Tree, World
from .rows import LEAST
from .scenarios import THEN, Dice
from .studio import INVOICE, ITEM, LESSON, LINKS, MODULES, PUPIL, TEACHER

EXAMPLES = 3000 if os.environ.get("HOLDFAST_SOAK") == "1" else 40
QUESTIONS = 8
"""About each world."""
ENTITIES = {entity.name: entity for entity in (TEACHER, LESSON, PUPIL, INVOICE, ITEM)}


def test_graphs_answer_what_an_evaluation_in_memory_answers(studio_url: str, runner: asyncio.Runner) -> None:
    application, telling = application_on(studio_url, modules=MODULES, links=LINKS), list[bool]()

    # Shrinking takes minutes and tells no more: worlds are small as they are.
    @settings(
        max_examples=EXAMPLES, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow]
    )
    @given(st.randoms(use_true_random=False))
    def each(random: Random) -> None:
        telling.extend(runner.run(check(application, Dice(random))))

    try:
        each()
    finally:
        runner.run(application.database.dispose())
    assert len(telling) == EXAMPLES * QUESTIONS
    assert telling.count(True) >= len(telling) / 10


async def check(application: Application, dice: Dice) -> list[bool]:
    """Check a world; tell of each question whether its filters left some rows and not all."""
    world, telling = dice.world(), list[bool]()
    async with application.scope() as scope, scope.transaction() as transaction:
        await transaction.sql("SAVEPOINT nothing")
        await fill(transaction, world)
        for _ in range(QUESTIONS):
            asked = dice.question()
            count = await check_question(scope.query, world, asked)
            telling.append(0 < count < len(world.rows[asked.entity]))
        await transaction.sql("ROLLBACK TO SAVEPOINT nothing")
    return telling


async def check_question(query: Query, world: World, asked: Question) -> int:
    expected, number = Oracle(world, with_deleted=asked.with_deleted).answer(asked)
    options: dict[str, Any] = {
        "fields": list(paths(asked.tree)),
        "filters": asked.filters,
        "order": asked.tree.order,
        "take": asked.tree.take,
        "skip": asked.skip,
        "nested": dict(lists(asked.entity, asked.tree)),
        "with_deleted": asked.with_deleted,
        "count": True,
    }
    page = await query.graph(ENTITIES[asked.entity], **options)
    assert (page.data, page.count) == (expected, number)
    shown = await query.graph_json(ENTITIES[asked.entity], **options)
    assert json.loads(shown) == json.loads(msgspec.json.encode(page))
    return number


def paths(tree: Tree, at: str = "") -> Iterator[str]:
    """Yield the paths that ask for a tree."""
    for name in tree.columns:
        yield f"{at}{name}"
    for name, deeper in tree.related.items():
        yield from paths(deeper, f"{at}{name}.")


def lists(entity: str, tree: Tree, at: str = "") -> Iterator[tuple[str, Nested]]:
    """Yield how the lists of a tree are arranged."""
    for name, deeper in tree.related.items():
        way = WAYS[entity][name]
        if way.many:
            yield f"{at}{name}", Nested(order=dict(deeper.order), take=deeper.take)
        yield from lists(way.target, deeper, f"{at}{name}.")


async def fill(transaction: Transaction, world: World) -> None:
    times = {"created_at": THEN, "updated_at": THEN}
    for name, entity in ENTITIES.items():
        await transaction.execute(insert(entity.table), [{**LEAST[name], **times, **row} for row in world.rows[name]])
    for link in LINKS:
        columns = link.left.column, link.right.column, "deleted_at"
        pairs = [dict(zip(columns, pair, strict=True)) | times for pair in world.pairs[link.name]]
        if pairs:
            await transaction.execute(insert(link.table), pairs)
