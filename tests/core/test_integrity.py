"""Checks by one statement over whole tables."""

from datetime import timedelta

from core.container import Scope
from core.integrity import MOST, query_check


async def test_each_row_becomes_a_sentence_but_not_without_end(scope: Scope) -> None:
    check = query_check("SELECT n, n * 2 FROM generate_series(1, 1000) n LIMIT %(most)s", "{} is half of {}")
    found = await check(scope)
    assert found[:2] == ["1 is half of 2", "2 is half of 4"]
    assert len(found) == MOST


async def test_a_check_is_not_hurried(scope: Scope) -> None:
    query = "SELECT name, setting FROM pg_settings WHERE name IN ('statement_timeout', 'work_mem') ORDER BY name"
    assert await query_check(query, "{} {}")(scope) == ["statement_timeout 0", "work_mem 65536"]
    [(limit,)] = await scope.session.sql("SHOW statement_timeout")
    assert limit == "10s"


async def test_what_expires_about_now_counts_as_expired(scope: Scope) -> None:
    before = scope.clock.now()
    [at] = await query_check("SELECT extract(epoch FROM %(at)s::timestamptz)", "{}")(scope)
    assert timedelta(seconds=float(at)) >= timedelta(seconds=before.timestamp() + 1)
