"""A table of slots, and steps that take them: what the engine's tests run."""

from typing import LiteralString

import msgspec

from core.container import Scope
from core.db.session import Tuple
from core.errors import HoldfastError
from core.workflow import StepContext, StepResponse, step, workflow

TABLES = """
CREATE TABLE slot (name text PRIMARY KEY, note text NOT NULL DEFAULT '');

-- One row per transaction that wrote and committed.
CREATE TABLE committed (xid xid8 PRIMARY KEY);
CREATE FUNCTION witness() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO committed VALUES (pg_current_xact_id()) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER witness AFTER INSERT OR UPDATE OR DELETE ON slot FOR EACH STATEMENT EXECUTE FUNCTION witness();
CREATE TRIGGER witness AFTER INSERT OR UPDATE OR DELETE ON workflow_run FOR EACH STATEMENT EXECUTE FUNCTION witness();
CREATE TRIGGER witness AFTER INSERT OR UPDATE OR DELETE ON workflow_step FOR EACH STATEMENT EXECUTE FUNCTION witness();

-- Refuses at COMMIT, as the shop's own rule on claims does.
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'slot % is refused', coalesce(NEW.name, OLD.name) USING ERRCODE = 'check_violation';
END $$;
CREATE CONSTRAINT TRIGGER refuse_taking AFTER INSERT ON slot DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.note = 'refuse taking') EXECUTE FUNCTION refuse();
CREATE CONSTRAINT TRIGGER refuse_giving_back AFTER DELETE ON slot DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.note = 'refuse giving back') EXECUTE FUNCTION refuse();

-- The first two COMMITs fail, the third one does not.
CREATE SEQUENCE tries;
CREATE FUNCTION refuse_twice() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF nextval('tries') <= 2 THEN RAISE EXCEPTION 'not yet' USING ERRCODE = NEW.note; END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER refuse_twice AFTER INSERT ON slot DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.note IN ('40001', '40P01', '55P03')) EXECUTE FUNCTION refuse_twice();

-- A COMMIT that takes its time.
CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.8); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON slot DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.note = 'slow') EXECUTE FUNCTION dawdle();

CREATE FUNCTION raise_state(state text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'raised on purpose' USING ERRCODE = state;
END $$;
"""

SOMEBODY_WAITS: LiteralString = (
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)
"""Has a row while a connection waits for a lock of another one."""


class Calls(list[str]):
    """What was called, in order; the tests read it."""


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    note: str = ""


class Names(msgspec.Struct, frozen=True):
    names: list[str]


class SlotTaken(HoldfastError):
    """The slot is somebody else's."""

    code = "test_slot_taken"
    status = 409


class SlotForbidden(HoldfastError):
    """Nobody may have this slot."""

    code = "test_slot_forbidden"
    status = 422


@step("take-slot")
async def take_slot(ctx: StepContext, slot: Slot) -> StepResponse[Slot, str]:
    """Insert the slot's row; a second taker waits for the first."""
    ctx.resolve(Calls).append(f"take {slot.name}")
    transaction = ctx.scope.session.writable("take_slot")
    await transaction.sql("INSERT INTO slot VALUES (%s, %s)", (slot.name, slot.note))
    return StepResponse(slot, compensate_with=slot.name)


@take_slot.compensate
async def give_slot_back(ctx: StepContext, name: str) -> None:
    ctx.resolve(Calls).append(f"give back {name}")
    await ctx.scope.session.writable("give_slot_back").sql("DELETE FROM slot WHERE name = %s", (name,))


@step("count-slots", read=True)
async def count_slots(ctx: StepContext) -> int:
    ctx.resolve(Calls).append("count")
    [(count,)] = await ctx.scope.session.sql("SELECT count(*)::int FROM slot")
    return count


@step("fail")
async def fail(ctx: StepContext, error: str) -> None:
    """Write a row, then raise: `taken` (409), `forbidden` (422), or anything else a ValueError."""
    ctx.resolve(Calls).append("fail")
    await ctx.scope.session.writable("fail").sql("INSERT INTO slot VALUES ('partial', '')")
    if error == "taken":
        raise SlotTaken(slot="s")
    if error == "forbidden":
        raise SlotForbidden("not this one", slot="s", at=7)
    raise ValueError(error)


@workflow("take-slots", version=1)
async def take_slots(data: Names) -> list[str]:
    return [(await take_slot(Slot(name=name))).name for name in data.names]


@workflow("take-one", version=1)
async def take_one(data: Slot) -> Slot:
    return await take_slot(data)


@workflow("count", version=1)
async def count(data: None) -> int:
    return await count_slots()


@workflow("take-and-count", version=1)
async def take_and_count(data: Slot) -> int:
    await take_slot(data)
    return await count_slots()


class TakeThenFail(msgspec.Struct, frozen=True):
    names: list[str]
    error: str


@workflow("take-then-fail", version=1)
async def take_then_fail(data: TakeThenFail) -> None:
    for name in data.names:
        await take_slot(Slot(name=name))
    await fail(data.error)


ALL = [take_slots, take_one, count, take_and_count, take_then_fail]


async def slots(scope: Scope) -> list[str]:
    return [name for (name,) in await scope.session.sql("SELECT name FROM slot ORDER BY name")]


async def runs(scope: Scope) -> list[Tuple]:
    """Workflow, status and key of every stored run, oldest first."""
    return await scope.session.sql("SELECT workflow, status, key FROM workflow_run ORDER BY created_at, id")


async def commits(scope: Scope) -> int:
    """How many transactions have written and committed."""
    [(number,)] = await scope.session.sql("SELECT count(*)::int FROM committed")
    return number


async def entries(scope: Scope) -> list[Tuple]:
    """Path, step and kind of every journal entry, and the code of its error."""
    return await scope.session.sql("""
        WITH stored AS (
            SELECT jsonb_array_elements(entries) AS entry FROM workflow_run
            UNION ALL SELECT entry FROM workflow_step)
        SELECT entry ->> 'path', entry ->> 'step', entry ->> 'kind', entry #>> '{error,code}' FROM stored
        ORDER BY entry ->> 'ended_at', entry ->> 'path'""")
