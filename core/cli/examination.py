"""What the doctor finds out about the database, and everything in order."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

from ..app import Application
from ..config import Config
from ..container import Scope
from ..db import as_busy
from ..db.branch import branches
from ..db.migrate import Migrations
from ..errors import HoldfastError
from .findings import Finding, modules, redis_server, secrets, time_zones

VERSIONS = range(15, 19)
CLOCK_TOLERANCE = timedelta(seconds=1)


async def examine(*, integrity: bool) -> list[Finding]:
    """Examine the shop; where something fails, what rests on it is left out."""
    try:
        config = Config.load()
        app = Application.load(config)
    except HoldfastError as error:
        return [Finding("configuration", "fail", error.detail)]
    findings = [modules(app), secrets(config), time_zones(config), await redis_server(config)]
    try:
        async with app.scope() as scope:
            async for finding in _examine_database(app, scope, integrity=integrity):
                findings.append(finding)  # noqa: PERF401, what was found before an error counts
    except Exception as error:
        if (away := as_busy(error)) is None:
            raise
        findings.append(Finding("database", "fail", f"{away.detail} ({str(error).splitlines()[0]})"))
    finally:
        await app.database.dispose()
    return findings


async def _examine_database(app: Application, scope: Scope, *, integrity: bool) -> AsyncGenerator[Finding]:
    yield await _version(scope)
    yield await _clock(scope)
    migrations = await asyncio.to_thread(_migrations, app)
    yield migrations
    if migrations.level == "fail":
        return
    yield await _moved(scope)
    if integrity:
        for name, check in app.checks.items():
            problems = await check(scope)
            yield Finding(name, "fail" if problems else "ok", "; ".join(problems) or "holds")


async def _version(scope: Scope) -> Finding:
    [(number, text)] = await scope.session.sql(
        "SELECT current_setting('server_version_num')::int / 10000, current_setting('server_version')"
    )
    if number < VERSIONS.start:
        return Finding("database", "fail", f"PostgreSQL {text}; {VERSIONS.start} or newer is needed")
    if number not in VERSIONS:
        return Finding("database", "warn", f"PostgreSQL {text} is newer than what Holdfast was tested with")
    return Finding("database", "ok", f"PostgreSQL {text}")


async def _clock(scope: Scope) -> Finding:
    asked = datetime.now(UTC)
    [(now,)] = await scope.session.sql("SELECT clock_timestamp()")
    heard = datetime.now(UTC)
    away = now - (asked + (heard - asked) / 2)
    level = "ok" if abs(away) <= CLOCK_TOLERANCE else "warn"
    return Finding("clock", level, f"the database's clock is {away.total_seconds():+.3f} s from this machine's")


async def _moved(scope: Scope) -> Finding:
    [(moved,)] = await scope.session.sql("SELECT current_clock_offset()")
    if moved:
        return Finding("clock offset", "fail", f"the clock was moved by {moved}: the row in clock_offset is for tests")
    return Finding("clock offset", "ok", "none")


def _migrations(app: Application) -> Finding:
    migrations = Migrations(app.config.database.url, branches(app.modules.values()), links=app.link_tables)
    if missing := migrations.missing():
        return Finding("migrations", "fail", f"not applied: {', '.join(missing)}; run `holdfast migrate`")
    if differences := migrations.differences():
        return Finding("migrations", "warn", f"tables differ from the models: {'; '.join(differences)}")
    return Finding("migrations", "ok", "all applied")
