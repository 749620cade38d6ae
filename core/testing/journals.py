"""Journals of runs, kept as files: the code of today must still follow what runs of yesterday have done."""

from pathlib import Path

import msgspec
from msgspec import Raw

from ..app import Application
from ..errors import HoldfastError
from ..workflow import Nondeterministic, RunDetails
from ..workflow.call import Call, Finished
from ..workflow.codec import ErrorData, canonical, encode
from ..workflow.errors import Halted, Parked
from ..workflow.frame import Frame, Outcome
from ..workflow.journal import FAILURE_PATH, NULL, Entry, undo_path
from ..workflow.lane import Lane
from ..workflow.performer import Performer
from ..workflow.record import Record


class Journal(msgspec.Struct, frozen=True, kw_only=True):
    """What a run was given, what it did, and how it ended, if it has."""

    workflow: str
    version: int
    status: str
    input: Raw
    result: Raw
    error: ErrorData | None
    entries: list[Entry]
    run_id: str = "replayed"

    @property
    def failure(self) -> ErrorData | None:
        """The error that ended the body, also of a run that is still being undone."""
        return next((entry.error for entry in self.entries if entry.path == FAILURE_PATH), self.error)

    @classmethod
    def of(cls, run: RunDetails) -> "Journal":
        """Return the journal of a run, to be written to a file."""
        return cls(
            workflow=run.workflow,
            version=run.version,
            status=run.status,
            input=run.input,
            result=run.result or NULL,
            error=run.error,
            entries=run.entries,
            run_id=run.id,
        )

    @classmethod
    def read(cls, path: Path) -> "Journal":
        """Return the journal in a file."""
        return msgspec.json.decode(path.read_bytes(), type=cls)

    def write(self, path: Path) -> None:
        """Write the journal to a file, readable and fit for version control."""
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")


async def replay_journal(app: Application, journal: Journal) -> None:
    """Drive the body of the journal's workflow along the journal, without a database; no step is run.

    A body that was stopped, because its run was cancelled, was past its deadline or had a child that could not be
    undone, is followed to there. Raises `Nondeterministic`, saying where the code of today does something else than the
    journal has or ends with something else, and `ConfigurationError` if there is no such workflow in that version.
    """
    definition = app.workflows.registry.definition(journal.workflow, journal.version)
    record = Record(
        app.container,
        definition,
        canonical(bytes(journal.input).decode()),
        run_id=journal.run_id,
        key=None,
        context={},
        created_at=app.clock.now(),
        owner="",
    )
    record.recorded = {entry.path: entry for entry in journal.entries}
    lane = Lane(record, eager=True)
    try:
        performer = _Follower(record, dict(app.workflows.registry.steps))
        ended = await Frame(record, lane, definition, "").drive(record.argument(), performer)
    except Parked as parked:
        raise parked.error from None
    except Halted as halted:
        ended = halted.error
    except _JournalEnds as end:
        if journal.status in ("running", "waiting") or _was_stopped(record, journal):
            return
        raise Nondeterministic(f"the body comes to {end} at {end.path}, of which the journal knows nothing") from None
    if not _was_stopped(record, journal):
        _compare(journal, ended)


class _JournalEnds(BaseException):
    """The body has come to a call that the journal does not know."""

    def __init__(self, path: str, what: str) -> None:
        super().__init__(what)
        self.path = path


class _Follower(Performer):
    """Takes outcomes from the journal alone."""

    async def perform(self, lane: Lane, path: str, call: Call[object]) -> Outcome:
        inside = any(other.startswith(f"{path}.") for other in self._record.recorded)
        if path not in self._record.recorded and not inside:
            raise _JournalEnds(path, call.name)
        return await super().perform(lane, path, call)

    async def _fail_child(
        self, lane: Lane, entry: Entry, error: HoldfastError, *, because: HoldfastError | None = None
    ) -> Outcome:
        raise _JournalEnds(entry.path, f"the end of child {entry.step}")

    async def _undo(self, lane: Lane, failure: Entry, error: HoldfastError) -> None:
        if any(undo_path(undo.path) not in self._record.recorded for undo in failure.undos):
            raise _JournalEnds(failure.path, f"the undos of child {failure.step}")
        await super()._undo(lane, failure, error)


def _was_stopped(record: Record, journal: Journal) -> bool:
    """Tell whether the run was stopped from outside: wherever its body was, or when it had ended well."""
    return journal.failure is not None and record.is_halted_by(journal.failure)


def _compare(journal: Journal, ended: Finished | HoldfastError) -> None:
    if isinstance(ended, Finished):
        found = f"result {canonical(encode(ended.value, 'the result').decode()).decode()}"
    else:
        found = f"error {ended.code}"
    failure = journal.failure
    was = f"error {failure.code}" if failure else f"result {canonical(bytes(journal.result).decode()).decode()}"
    if found != was:
        raise Nondeterministic(f"the run ended with {was}, the body ends with {found}")
