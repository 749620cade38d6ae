"""The journal of a run as rows: the steps in the order of their paths, each with what was done to undo it."""

from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec
from msgspec import Raw

from ..workflow import RunDetails
from ..workflow.journal import FAILURE_PATH, NULL, Entry, Undo, path_order, undo_path

SHORT = 60
TIME = "%Y-%m-%d %H:%M:%S"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the tree; `depth` is that of its path."""

    path: str
    depth: int
    step: str
    kind: str
    state: str
    attempts: str = ""
    took: str = ""
    ended: str = ""
    value: str = ""


def rows(run: RunDetails, *, full: bool) -> Iterator[Row]:
    """Yield the rows of a run; `full` shortens no value."""
    stored = {entry.path: entry for entry in run.entries}
    owed = {undo.path: undo for undo in _owed(run, stored)}
    for path in _paths(stored):
        yield _call(path, stored, full=full)
        attempts = [entry for entry in run.entries if entry.path.startswith(f"{undo_path(path)}.")]
        for entry in sorted(attempts, key=lambda entry: int(entry.path.rpartition(".")[2])):
            yield _row(entry, "undo", full=full)
        if undo_path(path) in stored:
            yield _row(stored[undo_path(path)], "undo", full=full)
        elif path in owed:
            yield _owed_row(owed[path], full=full)


def _paths(stored: Iterable[str]) -> list[str]:
    """Return the paths of all calls, also of those that have no entry but calls of their own under them."""
    found: set[str] = set()
    for path in stored:
        parts = path.partition(":")[0].split(".")
        found |= {".".join(parts[:length]) for length in range(1, len(parts) + 1)}
    return sorted(found - {FAILURE_PATH}, key=path_order)


def _owed(run: RunDetails, stored: dict[str, Entry]) -> list[Undo]:
    failures = [entry for entry in run.entries if entry.kind == "failure" and run.status == "compensating"]
    return [undo for entry in failures for undo in entry.undos if undo_path(undo.path) not in stored]


def _call(path: str, stored: dict[str, Entry], *, full: bool) -> Row:
    entry, begun = stored.get(path), stored.get(f"{path}:begun")
    if entry is not None:
        return _row(entry, "child" if entry.kind == "failure" else entry.kind, full=full)
    if begun is None:
        return Row(path=path, depth=_depth(path), step="", kind="", state="under way")
    kind = begun.step.partition(":")[0]
    if kind in ("sleep", "wait"):
        until = msgspec.json.decode(begun.value, type=datetime | None)
        value = "" if until is None else f"until {moment(until)}"
        return Row(path=path, depth=_depth(path), step=begun.step, kind=kind, state="waiting", value=value)
    return Row(
        path=path,
        depth=_depth(path),
        step=begun.step,
        kind="external",
        state="begun",
        ended=moment(begun.ended_at),
        value=_with_input("", begun, full=full),
    )


def _row(entry: Entry, kind: str, *, full: bool) -> Row:
    return Row(
        path=entry.path,
        depth=_depth(entry.path),
        step=entry.step,
        kind=kind,
        state="done" if entry.error is None else "failed",
        attempts=str(entry.attempts),
        took=duration(entry.duration_ms / 1000),
        ended=moment(entry.ended_at),
        value=_with_input(_outcome(entry, full=full), entry, full=full),
    )


def _owed_row(undo: Undo, *, full: bool) -> Row:
    path = undo_path(undo.path)
    return Row(
        path=path, depth=_depth(path), step=undo.step, kind="undo", state="owed", value=shortened(undo.argument, full)
    )


def _outcome(entry: Entry, *, full: bool) -> str:
    if entry.error is None:
        return "" if entry.value == NULL else shortened(entry.value, full)
    said = cut(f"{entry.error.code}: {entry.error.detail}", full)
    if entry.kind == "undo-attempt":
        return f"{said}; again at {moment(msgspec.json.decode(entry.value, type=datetime))}"
    return said


def _with_input(said: str, entry: Entry, *, full: bool) -> str:
    more = [f"input {printable(bytes(entry.input).decode())}"] if full and entry.input != NULL else []
    if full and entry.undo is not None:
        more.append(f"undo with {printable(bytes(entry.undo.argument).decode())}")
    return "\n".join([*([said] if said else []), *more])


def _depth(path: str) -> int:
    step, undo, _ = path.partition(":")
    return step.count(".") + bool(undo)


def shortened(value: Raw, full: bool) -> str:
    """Return JSON as it is, or its beginning."""
    return cut(bytes(value).decode(), full)


def cut(said: str, full: bool) -> str:
    """Return a printable text, or its beginning."""
    said = printable(said)
    return said if full or len(said) <= SHORT else f"{said[: SHORT - 3]}..."


def printable(said: str) -> str:
    """Return what a terminal takes for text, whatever was stored: escapes stand for what it would act on."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in said)


def moment(at: datetime) -> str:
    """Return a time as people read it, in UTC."""
    return f"{at:{TIME}}"


def duration(seconds: float) -> str:
    """Return a length of time as people read it."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
