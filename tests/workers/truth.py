"""What must be true of the orders, whatever happened to the processes."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence

import psycopg

UNFINISHED = "SELECT count(*) FROM workflow_run WHERE finished_at IS NULL AND workflow = ANY(%s)"
EFFECTS = "SELECT what, number FROM effect"
EVENTS = "SELECT (data ->> 'number')::int FROM outbox WHERE name = 'chaos.ordered'"
AT_GATE = "SELECT count(*) FROM effect WHERE what = 'ordered'"
ENDED = "SELECT (input #>> '{}')::int, status FROM workflow_run WHERE workflow = ANY(%s)"
ORDERS = ("chaos-order", "chaos-gate", "chaos-night", "chaos-thread")
WORK = (*ORDERS, "chaos-knock", "on:chaos.ordered:chaos-tell")
PATIENCE_SECONDS = 90
POLL_SECONDS = 0.05


def finished(url: str, workflows: Sequence[str] = ORDERS) -> int:
    """How many runs of these workflows have ended."""
    with psycopg.connect(url) as connection:
        query = "SELECT count(*) FROM workflow_run WHERE finished_at IS NOT NULL AND workflow = ANY(%s)"
        return connection.execute(query, [[*workflows]]).fetchall()[0][0]


def until_finished(url: str, count: int, workflows: Sequence[str] = ORDERS) -> None:
    """Wait until so many orders have ended."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (done := finished(url, workflows)) < count:
        assert time.monotonic() < deadline, f"{done} of {count}"
        time.sleep(POLL_SECONDS)


def until_all_finished(url: str, count: int, workflows: Sequence[str] = ORDERS) -> None:
    """Wait until so many orders have ended, and every delivery of theirs."""
    until_finished(url, count, workflows)
    deadline = time.monotonic() + PATIENCE_SECONDS
    with psycopg.connect(url, autocommit=True) as connection:
        while (left := connection.execute(UNFINISHED, [[*WORK]]).fetchall()[0][0]) > 0:
            assert time.monotonic() < deadline, f"{left} are left"
            time.sleep(POLL_SECONDS)


def until_at_gate(url: str, count: int) -> None:
    """Wait until so many orders stand half-way."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    with psycopg.connect(url, autocommit=True) as connection:
        while connection.execute(AT_GATE).fetchall() != [(count,)]:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def is_refused(number: int) -> bool:
    """Tell whether an order is refused half-way."""
    return number % 10 == 9


def check(url: str, numbers: Iterable[int]) -> None:
    """Every order has ended as planned, each effect of it is there once, and its event was told if it ended well."""
    well = {number for number in numbers if not is_refused(number)}
    refused = {number for number in numbers if is_refused(number)}
    owed = Counter((what, number) for what in ("ordered", "billed", "told") for number in well)
    owed.update((what, number) for what in ("ordered", "taken back") for number in refused)
    with psycopg.connect(url) as connection:
        effects = Counter(connection.execute(EFFECTS).fetchall())
        assert effects - owed == Counter(), "more than it should"
        assert owed - effects == Counter(), "less than it should"
        assert Counter(number for (number,) in connection.execute(EVENTS)) == Counter(well)
        ended = Counter(connection.execute(ENDED, [[*ORDERS]]).fetchall())
    assert ended == Counter([(n, "done") for n in well] + [(n, "compensated") for n in refused])
