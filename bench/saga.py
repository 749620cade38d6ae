"""`saga`: sagas a second and their CPU, beside the INSERT of one step through SQLAlchemy Core and through psycopg."""

from collections.abc import AsyncGenerator, Iterator, Mapping
from functools import partial
from itertools import islice
from statistics import median
from typing import NamedTuple

import psycopg
from msgspec import Struct

from core.app import Application
from core.config import Config

from .cpu import Backends
from .figures import ROUNDS, Figure, compare, say
from .ground import Ground
from .inserts import Way, floors, items, items_for, open_pool, repeat
from .kinds import (
    CREATE,
    SAGAS,
    one_step,
    one_step_unkept,
    run_keyed,
    run_mix,
    run_unkeyed,
    three_external_steps,
    three_steps,
)

CONCURRENCIES = (1, 16)


class Length(Struct, frozen=True):
    """How long it is measured."""

    rounds: int = ROUNDS
    seconds: float = 1.0
    warm_up: int = 200
    """Runs of each kind beforehand: connections are made, statements prepared."""


class Cost(NamedTuple):
    """What one saga costs; CPU in milliseconds."""

    rate: float
    client: float
    server: float
    both: float


async def saga(ground: Ground) -> AsyncGenerator[Figure]:
    """Run each kind on 1 connection and on 16."""
    with ground.database() as database:
        async for figure in measure(ground.config_at(database.url), Length()):
            yield figure


async def measure(config: Config, length: Length) -> AsyncGenerator[Figure]:
    """Measure on an empty database."""
    url = config.database.url
    with psycopg.connect(url) as connection:
        connection.execute(CREATE)
    app = Application(config, modules=[], workflows=SAGAS)
    async with app.running(), open_pool(config) as pool:
        sagas, bare = _ways(app), floors(app, pool)
        for way in (*sagas.values(), *bare.values()):
            await repeat(way, islice(items(), length.warm_up), config.database.pool_size)
        backends = Backends(url)
        for concurrency in CONCURRENCIES:
            costs = await _in_turn({**sagas, **bare}, backends, concurrency, length)
            for figure in _figures(sagas, {name: costs[name] for name in bare}, costs, concurrency):
                yield figure
        backends.check()


def _ways(app: Application) -> dict[str, Way]:
    """All with distinct keys and the default retention, but for what says otherwise."""
    return {
        "saga_one_step": partial(run_keyed, app, one_step),
        "saga_three_steps": partial(run_keyed, app, three_steps),
        "saga_three_external_steps": partial(run_keyed, app, three_external_steps),
        "saga_mix": partial(run_mix, app),
        "saga_one_step_unkeyed": partial(run_unkeyed, app, one_step),
        "saga_one_step_unkeyed_retention_0": partial(run_unkeyed, app, one_step_unkept),
    }


async def _in_turn(ways: Mapping[str, Way], backends: Backends, concurrency: int, length: Length) -> dict[str, Cost]:
    """Return the medians, each of its own."""
    found: dict[str, list[Cost]] = {name: [] for name in ways}
    for _ in range(length.rounds):
        for name, way in ways.items():
            found[name].append(await _cost(way, backends, concurrency, length.seconds))
            say("  {}: {:.4g}/s, client {:.3f} ms, server {:.3f} ms".format(name, *found[name][-1][:3]))
    return {name: Cost(*map(median, zip(*costs, strict=True))) for name, costs in found.items()}


async def _cost(way: Way, backends: Backends, concurrency: int, seconds: float) -> Cost:
    before = backends.spent()
    done = await repeat(way, items_for(seconds), concurrency)
    spent = backends.spent().since(before)
    client, server = spent.client / done * 1000, spent.server / done * 1000
    return Cost(done / spent.elapsed, client, server, client + server)


def _figures(
    sagas: Mapping[str, Way], bare: Mapping[str, Cost], costs: Mapping[str, Cost], concurrency: int
) -> Iterator[Figure]:
    for name in sagas:
        for at, (what, unit) in enumerate((("", "1/s"), ("_client_cpu", "ms"), ("_server_cpu", "ms"), ("_cpu", "ms"))):
            under = {floor: cost[at] for floor, cost in bare.items()}
            yield from compare(f"{name}{what}_c{concurrency}", unit, costs[name][at], under)
