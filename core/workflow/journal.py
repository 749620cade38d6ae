"""The journal: one row per run, its first entries inline, later ones in `workflow_step`.

The first flush inserts the run with its entries; every later one adds entries and moves the run on in a single
statement that fails on the server when the run is no longer ours. Both are the last statement before COMMIT.
"""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, LiteralString

import msgspec
from msgspec import Raw

from ..db import Session, Transaction, sqlstate
from ..db.failure import UNIQUE_VIOLATION
from .codec import ErrorData, canonical
from .errors import Fenced

DIVISION_BY_ZERO = "22012"
FAILURE_PATH = "0"
"""Where the error that ended a body stands; calls are numbered from 1."""
ENDED = frozenset({"done", "failed", "compensated", "compensation_failed", "cancelled"})

_INSERT: LiteralString = """
INSERT INTO workflow_run (id, workflow, version, key, subject, status, owner, due_at, deadline_at, input_hash, input,
    context, entries, result, error, created_at, finished_at, expires_at)
VALUES (%(id)s, %(workflow)s, %(version)s, %(key)s, %(subject)s, %(status)s, %(owner)s, %(due_at)s, %(deadline_at)s,
    %(input_hash)s, %(input)s::jsonb, %(context)s::jsonb, %(entries)s::jsonb, %(result)s::jsonb, %(error)s::jsonb,
    %(created_at)s, %(finished_at)s, %(expires_at)s)"""

# What another transaction is about to do with the same key is waited for.
_ENQUEUE: LiteralString = f"""{_INSERT}
ON CONFLICT ON CONSTRAINT "UQ_workflow_run_workflow_key" DO NOTHING RETURNING id"""


def _releasing(condition: LiteralString) -> LiteralString:
    """Return the part of a statement that writes events, and a queued run for each delivery, which are `released`."""
    return f"""
event AS (
    INSERT INTO outbox (id, name, data, run_id, emitted_at)
    SELECT id, name, coalesce(data, 'null'::jsonb), run_id, emitted_at FROM jsonb_to_recordset(%(events)s::jsonb)
        AS released (id text, name text, data jsonb, run_id text, emitted_at timestamptz, at_once boolean)
    WHERE {condition} ON CONFLICT (id) DO NOTHING),
delivery AS (
    INSERT INTO workflow_run (id, workflow, version, key, status, input_hash, input, context, entries, created_at)
    SELECT id, workflow, version, key, 'queued', decode(input_hash, 'hex'), input, %(context)s::jsonb, '[]', %(now)s
    FROM jsonb_to_recordset(%(deliveries)s::jsonb) AS released (
        id text, workflow text, version integer, key text, input_hash text, input jsonb, at_once boolean)
    WHERE {condition} ON CONFLICT (workflow, key) DO NOTHING)"""  # noqa: S608, of constants


RELEASE: LiteralString = _releasing("true")
_INSERT_RELEASING: LiteralString = f"WITH {RELEASE} {_INSERT}"

# 1/count(*): no row means that the run is not ours any more, and that must fail in the server, before COMMIT.
# A run that is to be cancelled neither ends well nor waits: it goes on, to be undone.
_MOVED: LiteralString = """
run AS (
    UPDATE workflow_run SET
        status = CASE WHEN cancel_requested AND %(status)s IN ('done', 'waiting') THEN status ELSE %(status)s END,
        owner = CASE WHEN cancel_requested AND %(status)s IN ('done', 'waiting') THEN owner ELSE %(owner)s END,
        result = %(result)s::jsonb, error = %(error)s::jsonb, due_at = %(due_at)s, finished_at = %(finished_at)s,
        expires_at = %(expires_at)s, key = %(key)s, deaths = 0
    WHERE id = %(id)s AND epoch = %(epoch)s AND status = %(expected)s RETURNING id, status, cancel_requested)"""
_ADDED: LiteralString = """
added AS (
    INSERT INTO workflow_step (run_id, path, entry)
    SELECT run.id, entry ->> 'path', entry FROM run, jsonb_array_elements(%(entries)s::jsonb) AS entry)
SELECT 1 / count(*), max(status), bool_or(cancel_requested) FROM run"""
_ADVANCE: LiteralString = f"WITH {_MOVED}, {_ADDED}"
# What waits for the good end of a run is not told of one that is to be cancelled.
_IF_DONE: LiteralString = _releasing("at_once OR (SELECT status FROM run) = 'done'")
_ADVANCE_RELEASING: LiteralString = f"WITH {_MOVED}, {_IF_DONE}, {_ADDED}"

_BY_ID: LiteralString = """
SELECT id, epoch, status, input_hash, entries::text, result::text, error::text, key, cancel_requested
FROM workflow_run WHERE id = %s"""
_BY_KEY: LiteralString = """
SELECT id FROM workflow_run WHERE workflow = %s AND key = %s"""
_STEPS: LiteralString = "SELECT run_id, entry::text FROM workflow_step WHERE run_id = ANY(%s)"


NULL = Raw(b"null")


class Undo(msgspec.Struct, frozen=True):
    """A compensation that is owed: frozen at the moment when its step was done."""

    path: str
    step: str
    argument: Raw


class Emitted(msgspec.Struct, frozen=True, omit_defaults=True):
    """An event that a step has emitted; `at_once` ones go out with the step, the others with the run's good end."""

    name: str
    data: Raw
    number: int
    """Of the events of its step, from 1."""
    at_once: bool = False


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the journal says of one engine call: `value` or `error`, and the compensation that it owes.

    `kind` is that of the step; `value`, `hook`, `child`, `parallel`, `sleep` or `wait`; `begun` (the external step at
    the path before `:begun` is about to be called, or the sleep or wait there has begun, with the instant of its end as
    value); `undo` (of the step at the path before `:undo`); `undo-attempt` (one that failed, with the instant of the
    next one as value); or `failure`: the error that ended a body, at path `0` or at that of the child, with the list of
    undos as it stood then.
    """

    path: str
    step: str
    kind: str
    ended_at: datetime
    duration_ms: float
    attempts: int = 1
    input_hash: str = ""
    value: Raw = NULL
    error: ErrorData | None = None
    undo: Undo | None = None
    undos: list[Undo] = []
    events: list[Emitted] = []
    input: Raw = NULL


class RunRow(msgspec.Struct, frozen=True):
    """What is stored of a run, its later entries apart."""

    id: str
    epoch: int
    status: str
    input_hash: bytes
    entries: str
    result: str | None
    error: str | None
    key: str | None
    cancel_requested: bool

    @property
    def ended(self) -> bool:
        """Whether the run's outcome is final."""
        return self.status in ENDED

    @property
    def final(self) -> bool:
        """Whether nothing more happens by itself: the run has ended, or is parked."""
        return self.ended or self.status == "nondeterministic"


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """Events that go out with a flush, and their deliveries."""

    values: dict[str, Any]
    """Of `RELEASE`."""
    run_ids: list[str]


class Change(msgspec.Struct, kw_only=True):
    """What a flush writes about the run itself."""

    status: str
    result: bytes | None = None
    error: bytes | None = None
    owner: str | None = None
    due_at: datetime | None = None
    key: str | None = None
    finished_at: datetime | None = None
    expires_at: datetime | None = None


async def insert_run(
    transaction: Transaction, fixed: dict[str, Any], change: Change, entries: list[Entry], released: Release | None
) -> None:
    """Write the run's row, its entries inline; raises `Fenced` if the run has a row, or another one has its key."""
    values = {**fixed, **_values(change, entries)}
    with _fence():
        if released is None:
            await transaction.sql(_INSERT, values)
        else:
            await transaction.sql(_INSERT_RELEASING, {**values, **released.values})


async def enqueue_run(transaction: Transaction, fixed: dict[str, Any]) -> bool:
    """Write the row of a run that somebody is to drive; False if another run has its key."""
    return bool(await transaction.sql(_ENQUEUE, {**fixed, **_values(Change(status="queued", key=fixed["key"]), [])}))


async def advance_run(
    transaction: Transaction, fixed: dict[str, Any], change: Change, entries: list[Entry], released: Release | None
) -> tuple[str, bool]:
    """Add entries and move the run on; return the new status, and whether the run is to be cancelled.

    `fixed` is its `id`, and the `epoch` and the status that are `expected`. Raises `Fenced` if it has others, or such a
    path.
    """
    values = {**fixed, **_values(change, entries)}
    with _fence():
        if released is None:
            [(_, status, cancelled)] = await transaction.sql(_ADVANCE, values)
        else:
            [(_, status, cancelled)] = await transaction.sql(_ADVANCE_RELEASING, {**values, **released.values})
    return status, cancelled


@contextmanager
def _fence() -> Generator[None]:
    try:
        yield
    except Exception as error:
        if sqlstate(error) in (DIVISION_BY_ZERO, UNIQUE_VIOLATION):
            raise Fenced from error
        raise


async def find_by_id(session: Session, run_id: str) -> RunRow | None:
    """Return the run's row, if it has one."""
    rows = await session.sql(_BY_ID, (run_id,))
    return RunRow(*rows[0]) if rows else None


async def find_by_key(session: Session, workflow: str, key: str) -> str | None:
    """Return the id of the run that owns the idempotency key, if there is one."""
    rows = await session.sql(_BY_KEY, (workflow, key))
    return rows[0][0] if rows else None


async def read_later(session: Session, run_ids: list[str]) -> dict[str, list[str]]:
    """Return what the later flushes of some runs have added, still encoded."""
    later: dict[str, list[str]] = {id: [] for id in run_ids}
    for run_id, text in await session.sql(_STEPS, (run_ids,)):
        later[run_id].append(text)
    return later


def entries_of(row: RunRow, later: list[str]) -> dict[str, Entry]:
    """Return all entries of a run by path."""
    inline = msgspec.json.decode(canonical(row.entries), type=list[Entry])
    added = [msgspec.json.decode(canonical(text), type=Entry) for text in later]
    return {entry.path: entry for entry in [*inline, *added]}


def _values(change: Change, entries: list[Entry]) -> dict[str, Any]:
    values = {name: getattr(change, name) for name in change.__struct_fields__}
    for name in ("result", "error"):
        if values[name] is not None:
            values[name] = values[name].decode()
    return {**values, "entries": msgspec.json.encode(entries).decode()}


def begun_path(path: str) -> str:
    """Return where it stands that the external step at `path` is about to be called."""
    return f"{path}:begun"


def undo_path(path: str) -> str:
    """Return where it stands how the undo of the step at `path` ended."""
    return f"{path}:undo"


def attempt_path(path: str, number: int) -> str:
    """Return where it stands that attempt `number` to undo the step at `path` failed, and another one is due."""
    return f"{undo_path(path)}.{number}"


def path_order(path: str) -> list[int]:
    """Return the sort key of a path: numbers, not text."""
    return [int(part) for part in path.split(".")]
