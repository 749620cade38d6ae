"""Hints: sent quickly or not at all."""

import socket
import time
from collections.abc import Generator
from typing import Any

import pytest
from redis.exceptions import RedisError

from core.config import Config
from core.errors import ConfigurationError
from core.metrics import METRICS
from jobs.broker import ACTOR, NAMESPACE, DramatiqDispatcher, open_broker

from .conftest import Redis


def lost() -> float:
    return METRICS.get_sample_value("holdfast_hints_total", {"outcome": "lost"}) or 0


@pytest.fixture
def silent() -> Generator[str]:
    """The URL of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


def test_a_hint_names_its_run_on_the_queue_of_the_shop(redis: Redis):
    config = Config(redis_url=redis.url)
    dispatcher = DramatiqDispatcher(config)
    broker: Any = open_broker(config)
    broker.declare_queue(config.jobs.queue)

    dispatcher.dispatch(["run_1", "run_2"])

    consumer = broker.consume(config.jobs.queue, prefetch=2)
    messages = [next(consumer) for _ in range(2)]
    assert [(each.actor_name, each.args) for each in messages if each] == [(ACTOR, ("run_1",)), (ACTOR, ("run_2",))]
    assert {key.decode().split(":")[0].split(".")[0] for key in broker.client.scan_iter()} == {NAMESPACE}
    broker.client.flushall()
    dispatcher.close()
    broker.close()


def test_a_redis_that_does_not_answer_costs_a_second_and_is_then_left_alone(silent: str):
    dispatcher = DramatiqDispatcher(Config(redis_url=silent))
    before, began = lost(), time.monotonic()

    with pytest.raises(RedisError):
        dispatcher.dispatch(["run_1", "run_2"])
    assert time.monotonic() - began > 0.9

    for _ in range(100):
        dispatcher.dispatch(["run_3"])  # one that asked again would fail again
    assert lost() == before + 102
    dispatcher.close()


def test_a_redis_that_was_restarted_is_found_again_at_once(redis: Redis):
    dispatcher = DramatiqDispatcher(Config(redis_url=redis.url))
    dispatcher.dispatch(["run_1"])
    before = lost()

    redis.kill()
    redis.start()
    dispatcher.dispatch(["run_2"])

    assert lost() == before
    dispatcher.close()


def test_a_queue_that_nobody_follows_does_not_grow_for_ever(redis: Redis):
    config = Config(redis_url=redis.url)
    dispatcher = DramatiqDispatcher(config, most=5)
    broker: Any = open_broker(config)
    client = broker.client
    client.flushall()
    before = lost()

    for number in range(4):
        dispatcher.dispatch([f"run_{number}", f"run_{number}_too"])
    assert (client.llen("holdfast:runs"), lost()) == (5, before + 3)

    client.flushall()
    deadline = time.monotonic() + 10
    while not client.llen("holdfast:runs"):
        assert time.monotonic() < deadline
        dispatcher.dispatch(["run_5"])
    client.flushall()
    broker.close()
    dispatcher.close()


def test_a_lot_of_hints_takes_no_longer_than_its_time(redis: Redis):
    config = Config(redis_url=redis.url)
    dispatcher = DramatiqDispatcher(config, seconds=0)
    before = lost()
    dispatcher.dispatch(["run_1", "run_2"])
    assert lost() == before + 2
    dispatcher.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("foo", "must specify one of the following schemes"),
        ("http://there", "must specify one of the following schemes"),
        ("redis://there:port", "Port could not be cast"),
        ("redis://there/shop", "'shop' is no number of a database"),
        ("redis://there?db=shop", "Invalid value for 'db'"),
        ("redis://there?colour=red", "unexpected keyword argument 'colour'"),
    ],
)
def test_an_address_that_cannot_be_read_is_told_in_one_line(url: str, said: str):
    with pytest.raises(ConfigurationError, match=f"^REDIS_URL: .*{said}.*$"):
        open_broker(Config(redis_url=url))


@pytest.mark.parametrize("url", ["redis://there", "redis://there:1/", "rediss://me:secret@there/3", "unix:///there"])
def test_an_address_that_can_be_read_is_taken(url: str):
    open_broker(Config(redis_url=url)).close()


def test_without_a_redis_nothing_is_sent_and_nothing_fails():
    dispatcher = DramatiqDispatcher(Config())
    dispatcher.dispatch(["run_1"])
    dispatcher.close()
