"""The code of today follows the journals of every workflow version that was released."""

import os
from pathlib import Path

import pytest
from msgspec import structs

from core.app import Application
from core.container import Scope
from core.job import Jobs
from core.testing import Journal, replay_journal
from core.workflow import Nondeterministic, Runs
from modules.booking import Booking, PaymentMode
from tests.modules.booking.shop import Shop, at
from workflows.booking import (
    CancelBooking,
    CompleteBooking,
    ConfirmBooking,
    HoldBookingSlot,
    MarkNoShow,
    RescheduleBooking,
    cancel_booking,
    complete_booking,
    confirm_booking,
    hold_booking_slot,
    mark_no_show,
    reschedule_booking,
)

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*.json"))


async def test_every_version_of_every_workflow_has_a_journal(application: Application):
    recorded = {(journal.workflow, journal.version) for journal in map(Journal.read, FILES)}
    assert {*application.workflows.registry.definitions} <= recorded


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
async def test_the_code_follows_the_journal(application: Application, path: Path):
    await replay_journal(application, Journal.read(path))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
async def test_a_journal_with_another_step_is_not_followed(application: Application, path: Path):
    journal = Journal.read(path)
    changed = [structs.replace(entry, step="another-step") for entry in journal.entries]
    with pytest.raises(Nondeterministic, match="another-step"):
        await replay_journal(application, structs.replace(journal, entries=changed))


@pytest.mark.skipif(not os.environ.get("HOLDFAST_RECORD_JOURNALS"), reason="records only when asked to")
async def test_record_what_has_no_journal_yet(application: Application, scope: Scope, shop: Shop):
    await act(scope, shop)
    for run in await scope.resolve(Runs).list(take=1000):
        path = HERE / f"{run.workflow}-v{run.version}-{run.status}.json"
        if not path.exists():
            Journal.of(await scope.resolve(Runs).retrieve(run.id)).write(path)
    assert list(HERE.glob("*.json"))


async def act(scope: Scope, shop: Shop) -> None:
    """Run every workflow and every job of the shop."""
    kept, cancelled, missed = [await booked(scope, shop, hour) for hour in (10, 12, 14)]
    await reschedule_booking.run(scope, RescheduleBooking(booking_id=kept.id, start_at=at(11)))
    await cancel_booking.run(scope, CancelBooking(booking_id=cancelled.id))
    await complete_booking.run(scope, CompleteBooking(booking_id=kept.id))
    await mark_no_show.run(scope, MarkNoShow(booking_id=missed.id))
    for job in await scope.resolve(Jobs).list():
        await (await scope.resolve(Jobs).run(job.id)).result()


async def booked(scope: Scope, shop: Shop, hour: int) -> Booking:
    held = await hold_booking_slot.run(
        scope, HoldBookingSlot(service_id=shop.haircut.id, start_at=at(hour), staff_id=shop.ann.id)
    )
    contact = ConfirmBooking(booking_id=held.id, payment_mode=PaymentMode.PAY_IN_STORE, customer_email="jo@example.com")
    return await confirm_booking.run(scope, contact)
