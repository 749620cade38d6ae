"""What must be true after any number of crashes."""

from collections import Counter

import psycopg

from core.workflow.journal import path_order

Effects = dict[str, list[tuple[str, bool]]]

OWED = {
    "three-writes": ["1", "2", "3"],
    "write-ask-write": ["1", "3"],
    "side-by-side": ["1", "2.1", "2.3.1", "2.3.2", "2.3.3", "3"],
    "fail-late": [],
    "family": ["1", "3", "4.1", "4.2", "4.3"],
    "fail-in-family": [],
}
"""Where each saga leaves a row for good."""
CHILDREN = {"family": "2.", "fail-in-family": "1.2."}
"""Where each saga has a child that fails and is undone by itself."""


def left(url: str) -> int:
    """How many runs have not ended."""
    with psycopg.connect(url) as connection:
        query = "SELECT count(*) FROM workflow_run WHERE status IN ('running', 'compensating')"
        return connection.execute(query).fetchall()[0][0]


def check(url: str, notes: list[tuple[str, str]]) -> None:
    """Every effect exactly once, every external call by one token, every undo in descending order of paths."""
    with psycopg.connect(url) as connection:
        runs = connection.execute("SELECT id, workflow, status FROM workflow_run").fetchall()
        rows = connection.execute("SELECT run, path, undone FROM effect ORDER BY id").fetchall()
        entries = connection.execute("""
            SELECT id, entry ->> 'path', entry ->> 'kind' FROM workflow_run, jsonb_array_elements(entries) AS entry
            UNION ALL SELECT run_id, path, entry ->> 'kind' FROM workflow_step""").fetchall()
    well = [status == "done" for _, workflow, status in runs if not workflow.startswith("fail")]
    assert sum(well) >= 0.8 * len(well), "too many sagas failed that had no reason to"
    effects: Effects = {id: [] for id, _, _ in runs}
    for run, path, undone in rows:
        effects[run].append((path, undone))  # a KeyError is a row without a run
    for id, workflow, status in runs:
        _check_run(id, workflow, status, effects[id])
    _check_outside(notes, {id: status for id, _, status in runs}, {(id, path) for id, path, _ in entries})


def _check_run(id: str, workflow: str, status: str, effects: list[tuple[str, bool]]) -> None:
    about = (id, workflow, status, effects)
    assert status in ("done", "failed", "compensated"), about
    assert status != "done" or not workflow.startswith("fail"), about
    done = [path for path, undone in effects if not undone]
    undone = [path for path, undone in effects if undone]
    assert max(Counter(done).values(), default=0) <= 1, about
    assert max(Counter(undone).values(), default=0) <= 1, about
    assert sorted({*done} - {*undone}) == (OWED[workflow] if status == "done" else []), about
    assert {*undone} <= {*done}, about
    child = CHILDREN.get(workflow, ".")
    for group in ([path for path in undone if path.startswith(child)], [p for p in undone if not p.startswith(child)]):
        assert group == sorted(group, key=path_order, reverse=True), about


def _check_outside(notes: list[tuple[str, str]], statuses: dict[str, str], journaled: set[tuple[str, str]]) -> None:
    asked = {token for verb, token in notes if verb == "do"}
    taken_back = {token for verb, token in notes if verb == "undo"}
    for token in asked:
        run, path = token.split(":")
        assert run in statuses, f"{token} was asked for by a run that does not exist"
        undone = (run, f"{path}:undo") in journaled
        assert undone or (run, path) in journaled, f"{token} was asked for and nothing came of it"
        assert undone == (token in taken_back), f"{token} was to be taken back: {undone}"
        assert undone or statuses[run] == "done", f"{token} of a failed run was not taken back"
