"""Two hosts, each with an API and workers, share nothing but one PostgreSQL and one Redis."""

import asyncio
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest

from core.config import Config
from tests.acceptance.site import BOOKINGS, CONTACT, Site
from tests.faults.load import customers
from tests.faults.truth import findings

from .conftest import Redis, producing
from .host import Host
from .load import orders
from .namespaces import Namespaces, unavailable
from .site import Either, site_of
from .truth import check

ORDERS = 200
ROUNDS = 5
CALLERS = 10

Hosts = list[Host]


@pytest.fixture(params=["beside each other", pytest.param("in namespaces", marks=unavailable)])
def hosts(request: pytest.FixtureRequest, tmp_path: Path, url: str, redis: Redis) -> Generator[Hosts]:
    """Two hosts; in networks of their own where the machine allows it."""
    if request.param == "beside each other":
        with Host(tmp_path / "a", url, redis.url) as a, Host(tmp_path / "b", url, redis.url) as b:
            yield [a, b]
    else:
        with (
            Namespaces(url, redis.url) as (first, second),
            Host(tmp_path / "a", **first) as a,
            Host(tmp_path / "b", **second) as b,
        ):
            yield [a, b]


async def test_races_and_crashes_across_hosts(hosts: Hosts, url: str, redis: Redis, shop_config: Config) -> None:
    apis = [host.api() for host in hosts]
    workers = [host.worker() for host in hosts]
    either = Either([address for _, address in apis])
    async with site_of(url, shop_config, either) as site, producing(url, redis.url) as app:
        raced = await race(site)
        async with customers(await site.open_shop()) as load, orders(app, ORDERS) as done:
            await done(0.3)
            for program in (apis[0][0], workers[0]):
                program.kill()
            either.urls = [apis[1][1]]
            await done(0.5)
            api, workers[0] = hosts[0].api(), hosts[0].worker()
            either.urls = [apis[1][1], api[1]]
            workers[1].kill()
            await load.reaches(20, lambda status: status < 300)
        assert set(load.statuses) <= {0, 200, 201}
        load.told.update(dict.fromkeys(raced, "held"))
    assert findings(url, load) == []
    check(url, range(ORDERS))


async def race(site: Site) -> set[str]:
    """Have many callers hold one slot at once, and ask many times with one key; return what they hold."""
    shop = await site.open_shop()
    held: set[str] = set()
    for number in range(ROUNDS):
        body = {"service_id": shop.service.id, "start_at": site.at(8 + number).isoformat()} | CONTACT
        asked = [site.http.post(BOOKINGS, json=body) for _ in range(CALLERS)]
        answers = await asyncio.gather(*asked)
        assert Counter(answer.status_code for answer in answers) == {201: 1, 409: CALLERS - 1}
        held.update(answer.json()["booking"]["id"] for answer in answers if answer.status_code == 201)
        body["start_at"] = site.at(8 + number, 30).isoformat()
        key = {"Idempotency-Key": f"{shop.service.id}-{number}"}
        asked = [site.http.post(BOOKINGS, json=body, headers=key) for _ in range(CALLERS)]
        answers = await asyncio.gather(*asked)
        assert {answer.status_code for answer in answers} == {201}
        [one] = {answer.json()["booking"]["id"] for answer in answers}
        held.add(one)
    return held
