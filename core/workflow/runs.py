"""Runs as people see them who look after them: what there is, and what can be done about it."""

from datetime import datetime
from functools import partial
from typing import Any, LiteralString

import msgspec
from msgspec import Raw

from ..container import Scope
from ..db import Session
from ..errors import HoldfastError
from .codec import ErrorData
from .control import cancel_run, retry_run, status_of
from .engine import WorkflowEngine
from .errors import RunNotFound, RunStateConflict
from .journal import ENDED, Entry, path_order
from .retention import erase_subject
from .signals import Message, failure_message, message, send_message

_COLUMNS: LiteralString = """
SELECT run.id, run.workflow, run.version, run.status, run.key, run.created_at, run.finished_at, run.due_at,
    run.deadline_at, run.owner, process.beat_at IS NOT NULL AS owner_lives, run.takeovers, run.cancel_requested,
    run.error::text
FROM workflow_run AS run LEFT JOIN workflow_process AS process
    ON process.id = run.owner AND process.beat_at > clock_timestamp() - make_interval(secs => %(lease)s)"""
_LIST: LiteralString = f"""
{_COLUMNS}
WHERE (%(status)s::text IS NULL OR run.status = %(status)s) AND (%(workflow)s::text IS NULL OR workflow = %(workflow)s)
    AND (%(before)s::text IS NULL OR run.id < %(before)s)
ORDER BY run.id DESC LIMIT %(take)s"""
_ONE: LiteralString = f"{_COLUMNS} WHERE run.id = %(id)s"
_WHOLE: LiteralString = """
SELECT input::text, result::text, context::text, entries::text, host, pid,
    extract(epoch FROM clock_timestamp() - beat_at)::float8
FROM workflow_run AS run LEFT JOIN workflow_process AS process ON process.id = run.owner WHERE run.id = %s"""
_ENTRIES: LiteralString = "SELECT entry::text FROM workflow_step WHERE run_id = %s"
_SIGNALS: LiteralString = "SELECT name FROM workflow_signal WHERE run_id = %s AND NOT taken ORDER BY id"

STATES = (
    "queued",
    "running",
    "waiting",
    "done",
    "failed",
    "compensating",
    "compensated",
    "compensation_failed",
    "cancelled",
    "nondeterministic",
)


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A run without its journal. Times are UTC."""

    id: str
    workflow: str
    version: int
    status: str
    key: str | None
    created_at: datetime
    finished_at: datetime | None
    due_at: datetime | None
    """When somebody is to drive it at last, if nobody does."""
    deadline_at: datetime | None
    owner: str | None
    """The process that drives it, or did when it died."""
    owner_lives: bool
    takeovers: int
    """How often a process took it over from one that had died."""
    cancel_requested: bool
    error: ErrorData | None
    """What it failed with, or why it is parked."""
    has_code: bool
    """Whether this process knows its workflow in its version."""


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """The process that drives a run."""

    host: str
    pid: int
    silent_seconds: float
    """How long ago it beat."""


class RunDetails(RunSummary, frozen=True, kw_only=True):
    """A run with all that is known of it."""

    input: Raw
    result: Raw | None
    context: dict[str, str]
    entries: list[Entry]
    """The journal, in the order of paths."""
    process: Owner | None
    """What is known of the owner; None where there is none, or it said farewell."""
    signals: list[str]
    """The names of signals that it has not waited for yet."""


class Runs:
    """Looks at runs and acts on them; what writes joins the scope's transaction, or has one of its own."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._engine = scope.resolve(WorkflowEngine)

    async def list(
        self, *, status: str | None = None, workflow: str | None = None, before: str | None = None, take: int = 50
    ) -> list[RunSummary]:
        """Return the latest runs first, those older than run `before` if given."""
        values = {"status": status, "workflow": workflow, "before": before, "take": take, "lease": self._lease}
        return [self._summary(row) for row in await self._session.sql(_LIST, values)]

    async def retrieve(self, run_id: str) -> RunDetails:
        """Return a run with its journal; raises `RunNotFound`."""
        rows = await self._session.sql(_ONE, {"id": run_id, "lease": self._lease})
        whole = await self._session.sql(_WHOLE, (run_id,))
        if not rows or not whole:
            raise RunNotFound(f"there is no run {run_id}")
        given, result, context, inline, *process = whole[0]
        later = [msgspec.json.decode(text, type=Entry) for (text,) in await self._session.sql(_ENTRIES, (run_id,))]
        entries = [*msgspec.json.decode(inline, type=list[Entry]), *later]
        return RunDetails(
            **msgspec.structs.asdict(self._summary(rows[0])),
            input=Raw(given.encode()),
            result=None if result is None else Raw(result.encode()),
            context=msgspec.json.decode(context, type=dict[str, str]),
            entries=sorted(entries, key=_place),
            process=None if process[0] is None else Owner(**dict(zip(Owner.__struct_fields__, process, strict=True))),
            signals=[name for (name,) in await self._session.sql(_SIGNALS, (run_id,))],
        )

    async def signal(self, run_id: str, name: str, value: object = None, *, id: str | None = None) -> None:
        """Tell a run what its `wait_for(name, ...)` returns, now or when it comes to wait, in the order of sending.

        Of several with one `id` only the first counts, so that a webhook may be delivered twice. Raises `RunNotWaiting`
        when the run has ended or never was, `UnstorableResult`.
        """
        await self._send(message(run_id, name, value, id))

    async def signal_failure(self, run_id: str, name: str, error: HoldfastError, *, id: str | None = None) -> None:
        """Tell a run that what it waits for has failed: its `wait_for(name, ...)` raises `error`."""
        await self._send(failure_message(run_id, name, error, id))

    async def _send(self, message: Message) -> None:
        async with self._scope.transaction() as transaction:
            await send_message(self._session, message, self._now)
            transaction.on_commit(self._engine.nudge)

    async def cancel(self, run_id: str) -> bool:
        """Have a run undone, also one that has ended well; False if it is undone already, or is being undone.

        The process that drives it sees this at its next flush; otherwise this one undoes it, if it has the code. Raises
        `RunNotFound`, and `RunStateConflict` if it could not be undone, which `retry` tries again.
        """
        async with self._scope.transaction() as transaction:
            cancelled = await cancel_run(transaction, run_id, self._now)
            transaction.on_commit(partial(self._engine.nudge, run_id))
        return cancelled

    async def retry(self, run_id: str) -> None:
        """Have a run driven again that is parked, waits or could not be undone; of its undos only those that failed.

        Raises `RunNotFound`, `RunStateConflict`.
        """
        async with self._scope.transaction() as transaction:
            await retry_run(transaction, run_id, self._now)
            transaction.on_commit(partial(self._engine.nudge, run_id))

    async def compensate(self, run_id: str) -> None:
        """Give up a run that is parked, or that nobody drives: undo what it did by the journal, without its body.

        If that is under way, and nobody goes on with it because steps are not known, their undos are given up: they
        count as failed, and `retry` repeats them where the code is. Raises `RunNotFound`, `RunStateConflict`.
        """
        run = await self.retrieve(run_id)
        async with self._scope.transaction() as transaction:
            status, owner = await status_of(transaction, run_id)
            if status in ENDED or (owner is not None and run.owner_lives):
                raise RunStateConflict(f"run {run_id} is {status}: there is nothing to give up", status=status)
            await self._engine.give_up(transaction, run_id)
            transaction.on_commit(partial(self._engine.nudge, run_id))

    async def erase(self, subject: str) -> int:
        """Delete the finished runs about a person, whatever their retention; return how many there were."""
        return await erase_subject(self._scope, subject)

    @property
    def _session(self) -> Session:
        return self._scope.session

    @property
    def _now(self) -> datetime:
        return self._scope.clock.now()

    @property
    def _lease(self) -> float:
        return self._scope.config.engine.lease_seconds

    def _summary(self, row: tuple[Any, ...]) -> RunSummary:
        fields: dict[str, Any] = dict(zip(RunSummary.__struct_fields__, row, strict=False))
        fields["error"] = row[-1] and msgspec.json.decode(row[-1], type=ErrorData)
        fields["has_code"] = (fields["workflow"], fields["version"]) in self._engine.registry.definitions
        return RunSummary(**fields)


def _place(entry: Entry) -> tuple[list[int], str]:
    path, _, what = entry.path.partition(":")
    return path_order(path), what
