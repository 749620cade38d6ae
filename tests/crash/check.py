"""What must be true after any number of crashes."""

from collections import Counter
from typing import NamedTuple

import psycopg

from core.workflow.journal import path_order

Effects = dict[str, list[tuple[str, bool]]]

OWED = {
    "three-writes": ["1", "2", "3"],
    "three-writes 2": ["1", "2", "3", "4"],
    "write-ask-write": ["1", "3"],
    "side-by-side": ["1", "2.1", "2.3.1", "2.3.2", "2.3.3", "3"],
    "family": ["1", "3", "4.1", "4.2", "4.3"],
    "nap": ["1", "5"],
    "wait-for-word": ["1", "5"],
    "send-word": ["1", "4"],
}
"""Where each saga that ends well leaves a row for good; the others leave none."""
ASKED = {
    "write-ask-write": ["2"],
    "side-by-side": ["2.2"],
    "family": ["2.2", "2.3.2"],
    "nap": ["3"],
}
"""Where each saga that ends well has called outside."""
CHILDREN = {"family": "2.", "fail-in-family": "1.2."}
"""Where each saga has a child that fails and is undone by itself."""
ENDINGS = {
    "fail-late": ["compensated"],
    "fail-late 2": ["compensated"],
    "fail-in-family": ["compensated"],
    "think-better-of-it": ["cancelled"],
}
"""How each saga ends in which all goes as planned; the others are done."""
TROUBLED = {"failed", "compensated", "cancelled"}
"""How a saga may end when its database goes away in the middle of a step."""


RUNS = """
SELECT id, workflow || CASE WHEN version > 1 THEN ' ' || version ELSE '' END, status, input ->> 'run_id'
FROM workflow_run"""


class RunOf(NamedTuple):
    """What is stored of one run."""

    id: str
    workflow: str
    """Its id, and its version if that is not the first."""
    status: str
    said_to: str | None
    """The run that it sends a signal to."""


def left(url: str) -> int:
    """How many runs have not ended."""
    with psycopg.connect(url) as connection:
        query = "SELECT count(*) FROM workflow_run WHERE status IN ('queued', 'running', 'waiting', 'compensating')"
        return connection.execute(query).fetchall()[0][0]


def check(url: str, notes: list[tuple[str, str]], *, well: float = 0.8) -> None:
    """Every effect exactly once, every external call by one token, every undo in descending order of paths.

    `well`: which share of the sagas ended as planned, at least.
    """
    with psycopg.connect(url) as connection:
        runs = [RunOf(*row) for row in connection.execute(RUNS).fetchall()]
        rows = connection.execute("SELECT run, path, undone FROM effect ORDER BY id").fetchall()
        entries = connection.execute("""
            SELECT id, entry ->> 'path' FROM workflow_run, jsonb_array_elements(entries) AS entry
            UNION ALL SELECT run_id, path FROM workflow_step""").fetchall()
        assert connection.execute("SELECT * FROM workflow_signal WHERE NOT taken").fetchall() == []
    planned = [run.status in ENDINGS.get(run.workflow, ["done"]) for run in runs]
    assert sum(planned) >= well * len(planned), Counter((run.workflow, run.status) for run in runs)
    effects: Effects = {run.id: [] for run in runs}
    for run, path, undone in rows:
        effects[run].append((path, undone))  # a KeyError is a row without a run
    for run in runs:
        _check_run(run, effects[run.id])
    _check_started(runs)
    _check_outside(notes, {run.id: run for run in runs}, {(id, path) for id, path in entries})


def _check_run(run: RunOf, effects: list[tuple[str, bool]]) -> None:
    about = (run, effects)
    assert run.status in {*TROUBLED, *ENDINGS.get(run.workflow, ["done"])}, about
    done = [path for path, undone in effects if not undone]
    undone = [path for path, undone in effects if undone]
    assert max(Counter(done).values(), default=0) <= 1, about
    assert max(Counter(undone).values(), default=0) <= 1, about
    assert sorted({*done} - {*undone}) == (OWED[run.workflow] if run.status == "done" else []), about
    assert {*undone} <= {*done}, about
    child = CHILDREN.get(run.workflow, ".")
    for group in ([path for path in undone if path.startswith(child)], [p for p in undone if not p.startswith(child)]):
        assert group == sorted(group, key=path_order, reverse=True), about


def _check_started(runs: list[RunOf]) -> None:
    """Every run that waits for a word has started one other run, exactly."""
    started = Counter(run.said_to for run in runs if run.workflow == "send-word")
    waited = {run.id: run.status for run in runs if run.workflow == "wait-for-word"}
    assert set(started.values()) <= {1}
    assert {*started} <= {*waited}
    assert {id for id, status in waited.items() if status == "done"} <= {*started}


def _check_outside(notes: list[tuple[str, str]], runs: dict[str, RunOf], journaled: set[tuple[str, str]]) -> None:
    asked = {token for verb, token in notes if verb == "do"}
    taken_back = {token for verb, token in notes if verb == "undo"}
    for token in asked:
        run, path = token.split(":")
        assert run in runs, f"{token} was asked for by a run that does not exist"
        undone = (run, f"{path}:undo") in journaled
        assert undone or (run, path) in journaled, f"{token} was asked for and nothing came of it"
        assert undone == (token in taken_back), f"{token} was to be taken back: {undone}"
        assert undone or runs[run].status == "done", f"{token} of a failed run was not taken back"
    for run in runs.values():
        if run.status == "done":
            assert {f"{run.id}:{path}" for path in ASKED.get(run.workflow, [])} <= asked, run
