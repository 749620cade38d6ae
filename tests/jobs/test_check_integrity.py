"""The nightly check says in the log and in a metric what is wrong with the data."""

from structlog.testing import capture_logs

from core.app import Application
from core.container import Scope
from core.job import Jobs
from core.metrics import render_metrics
from core.workflow import Runs
from tests.modules.booking.shop import Shop, at, confirmed

CHECK = "booking: every live booking owns exactly its claims"


async def check(scope: Scope) -> list[str]:
    """Run the job; return the checks of which the log tells."""
    with capture_logs() as logs:
        await (await scope.resolve(Jobs).run("check-integrity")).result()
    return [log["check"] for log in logs if log["event"] == "integrity_violated" and log["log_level"] == "error"]


async def findings(application: Application) -> dict[str, float]:
    """The metric, by check, as another process would tell it."""
    other = Application.load(application.config)
    try:
        text = render_metrics(await other.workflows.gauges.read()).decode()
    finally:
        await other.close()
    lines = [line for line in text.splitlines() if line.startswith("holdfast_integrity_findings{")]
    return {line.split('"')[1]: float(line.rsplit(" ", 1)[1]) for line in lines}


async def test_what_is_wrong_is_logged_and_counted_until_it_is_mended(
    application: Application, scope: Scope, shop: Shop
):
    made = await confirmed(scope, shop, at(10))
    assert await check(scope) == []
    assert {*(await findings(application)).values()} == {0}

    async with scope.transaction() as transaction:
        await transaction.sql("SET LOCAL session_replication_role = replica")
        await transaction.sql("DELETE FROM slot_claim WHERE booking_id = %s", [made.id])
    assert await check(scope) == [CHECK]
    assert {name for name, count in (await findings(application)).items() if count} == {CHECK}
    [run, _] = await scope.resolve(Runs).list(workflow="check-integrity")
    assert made.id in bytes((await scope.resolve(Runs).retrieve(run.id)).entries[0].value).decode()

    await scope.session.sql("DELETE FROM booking RETURNING id")
    assert await check(scope) == []
    assert {*(await findings(application)).values()} == {0}


async def test_a_check_that_is_no_more_raises_no_alarm(application: Application, scope: Scope):
    await scope.session.sql("INSERT INTO integrity_check VALUES ('gone: old', 3, now()) RETURNING name")
    assert await check(scope) == []
    assert "gone: old" not in await findings(application)


async def test_every_check_of_the_shop_is_run(application: Application, scope: Scope):
    await check(scope)
    assert {*await findings(application)} == {*application.checks}
    assert CHECK in application.checks
