"""Integrity checks by one statement over whole tables, for `checks=` of a module or `CHECKS` of a link's file."""

from collections.abc import Mapping
from datetime import timedelta
from typing import LiteralString

from .container import Scope
from .module import Check

MOST = 100
"""Violations told per check."""
TOLERANCE = timedelta(seconds=1)
"""What expires about now may change between the look at the clock and the look at the tables."""

# Whole tables are read, which takes longer than anything else may.
UNHURRIED: LiteralString = """
SELECT set_config(name, '0', true) FROM pg_settings WHERE name IN ('statement_timeout', 'transaction_timeout')
UNION ALL SELECT set_config('work_mem', '64MB', true)"""


def query_check(query: LiteralString, sentence: str) -> Check:
    """Return a check that puts each row of `query` into `sentence`; `%(most)s` bounds them, `%(at)s` is the time."""

    async def check(scope: Scope) -> list[str]:
        async with scope.transaction() as transaction:
            await transaction.sql(UNHURRIED)
            rows = await transaction.sql(query, {"at": scope.clock.now() + TOLERANCE, "most": MOST})
        return [sentence.format(*row) for row in rows]

    return check


# In one transaction with the removal of checks that are no more, or their findings would raise alarms for ever.
_FORGET: LiteralString = "DELETE FROM integrity_check WHERE NOT name = ANY(%(names)s)"
_NOTE: LiteralString = """
INSERT INTO integrity_check (name, findings, checked_at) SELECT name, findings, %(now)s
FROM unnest(%(names)s::text[], %(findings)s::integer[]) AS checked (name, findings)
ON CONFLICT (name) DO UPDATE SET findings = excluded.findings, checked_at = excluded.checked_at"""


class Integrity:
    """Every check of the application; `holdfast_integrity_findings` says what the last one found."""

    def __init__(self, scope: Scope, checks: Mapping[str, Check]) -> None:
        self._scope = scope
        self._checks = checks

    async def check(self) -> dict[str, list[str]]:
        """Run all checks, each in a transaction of its own; return the violations by the name of the check."""
        found = {name: [*await check(self._scope)] for name, check in self._checks.items()}
        names, findings = [*found], [len(violations) for violations in found.values()]
        async with self._scope.transaction() as transaction:
            values = {"names": names, "findings": findings, "now": self._scope.clock.now()}
            await transaction.sql(_FORGET, values)
            await transaction.sql(_NOTE, values)
        return found
