"""Integrity checks by one statement over whole tables, for `checks=` of a module or `CHECKS` of a link's file."""

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
