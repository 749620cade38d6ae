"""Services, staff and rules: validated whichever way they are written, and guarded against deletion."""

from datetime import date, timedelta

import pytest
from msgspec import UNSET

from core.app import Application
from core.container import Scope
from core.errors import InvalidData, NotFound, NoTransaction
from core.testing import move_clock
from modules.booking import (
    BookingService,
    CreateAvailabilityRule,
    CreateBooking,
    CreateService,
    CreateStaff,
    DepositType,
    HasBookings,
    PaymentMode,
    RuleType,
    SlotQuery,
    UpdateAvailabilityRule,
    UpdateService,
    UpdateStaff,
)

from .shop import HOLD_IS_OVER, Shop, at, confirmed, hold

WRONG_SERVICES: list[tuple[str, CreateService]] = [
    ("name", CreateService(name=" ", price=1)),
    ("duration_minutes", CreateService(name="x", price=1, duration_minutes=0)),
    ("duration_minutes", CreateService(name="x", price=1, duration_minutes=1441)),
    ("buffer_minutes", CreateService(name="x", price=1, buffer_minutes=-1)),
    ("buffer_minutes", CreateService(name="x", price=1, buffer_minutes=481)),
    ("price", CreateService(name="x", price=-1)),
    ("min_notice_minutes", CreateService(name="x", price=1, min_notice_minutes=-1)),
    ("max_days_ahead", CreateService(name="x", price=1, max_days_ahead=10**6)),
    ("currency_code", CreateService(name="x", price=1, currency_code="USD")),
    ("currency_code", CreateService(name="x", price=1, currency_code="zzz")),
    ("deposit_value", CreateService(name="x", price=1, deposit_value=1)),
    ("deposit_value", CreateService(name="x", price=1, deposit_type=DepositType.FIXED)),
    ("deposit_value", CreateService(name="x", price=1, deposit_type=DepositType.FIXED, deposit_value=2)),
    ("deposit_value", CreateService(name="x", price=1, deposit_type=DepositType.PERCENT, deposit_value=101)),
    ("payment_modes_allowed", CreateService(name="x", price=1, payment_modes_allowed=[])),
    ("payment_modes_allowed", CreateService(name="x", price=1, payment_modes_allowed=[PaymentMode.FULL] * 2)),
]


def fields_of(error: InvalidData) -> list[str]:
    return [each["field"] for each in error.data["errors"]]


@pytest.mark.parametrize(("field", "data"), WRONG_SERVICES)
async def test_a_service_must_make_sense_as_a_whole(
    scope: Scope, bookings: BookingService, field: str, data: CreateService
) -> None:
    for write in (bookings.services.create, bookings.services.upsert):
        with pytest.raises(InvalidData) as caught:
            async with scope.transaction():
                await write([data])
        assert fields_of(caught.value) == [field]


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("price", {"price": -1}),
        ("price", {"price": 10**30}),
        ("duration_minutes", {"duration_minutes": 0}),
        ("deposit_value", {"deposit_type": DepositType.PERCENT}),
        ("deposit_value", {"price": 500}),
        ("currency_code", {"currency_code": "xx"}),
    ],
)
async def test_a_change_is_checked_against_the_rest_of_the_service(
    scope: Scope, bookings: BookingService, field: str, change: dict[str, object]
) -> None:
    async with scope.transaction():
        [service] = await bookings.services.create(
            [CreateService(name="x", price=2000, deposit_type=DepositType.FIXED, deposit_value=1000)]
        )
    update = UpdateService(id=service.id, **change)  # pyright: ignore[reportArgumentType]
    for write in (bookings.services.update, bookings.services.upsert):
        with pytest.raises(InvalidData) as caught:
            async with scope.transaction():
                await write([update])
        assert fields_of(caught.value) == [field]
    assert await bookings.services.retrieve(service.id) == service


async def test_two_fields_may_change_together(scope: Scope, bookings: BookingService) -> None:
    async with scope.transaction():
        [service] = await bookings.services.create([CreateService(name="x", price=2000)])
        [service] = await bookings.services.update(
            [UpdateService(id=service.id, deposit_type=DepositType.PERCENT, deposit_value=30)]
        )
    assert (service.deposit_type, service.deposit_value) == (DepositType.PERCENT, 30)


async def test_staff_lives_in_the_shops_time_zone_unless_told_otherwise(
    application: Application, scope: Scope, bookings: BookingService
) -> None:
    async with scope.transaction():
        here, there = await bookings.staff.create(
            [CreateStaff(name="John"), CreateStaff(name="Jane", timezone="Asia/Tokyo")]
        )
    assert (here.timezone, there.timezone) == (application.config.shop.timezone, "Asia/Tokyo")
    for change in (UpdateStaff(id=here.id, timezone="Mars/Olympus"), UpdateStaff(id=here.id, name="")):
        with pytest.raises(InvalidData):
            async with scope.transaction():
                await bookings.staff.update([change])
    with pytest.raises(InvalidData):
        async with scope.transaction():
            await bookings.staff.create([CreateStaff(name="Ghost", timezone="nowhere")])


async def test_a_rule_must_make_sense_as_a_whole(scope: Scope, shop: Shop, bookings: BookingService) -> None:
    wrong = [
        CreateAvailabilityRule(staff_id=shop.ann.id),
        CreateAvailabilityRule(staff_id=shop.ann.id, day_of_week=7, start_time="09:00", end_time="10:00"),
        CreateAvailabilityRule(staff_id=shop.ann.id, day_of_week=1, start_time="10:00", end_time="09:00"),
        CreateAvailabilityRule(staff_id=shop.ann.id, day_of_week=1, start_time="9:00", end_time="10:00"),
        CreateAvailabilityRule(staff_id=shop.ann.id, rule_type=RuleType.BLOCKED),
    ]
    for data in wrong:
        with pytest.raises(InvalidData):
            async with scope.transaction():
                await bookings.availability_rules.create([data])
    [rule, *_] = await bookings.availability_rules.list({"staff_id": shop.ann.id})
    for change in (
        UpdateAvailabilityRule(id=rule.id, end_time="08:00"),
        UpdateAvailabilityRule(id=rule.id, specific_date=date(2030, 1, 1)),
        UpdateAvailabilityRule(id=rule.id, rule_type=RuleType.BLOCKED),
    ):
        with pytest.raises(InvalidData):
            async with scope.transaction():
                await bookings.availability_rules.update([change])
    with pytest.raises(NotFound):
        async with scope.transaction():
            await bookings.availability_rules.update([UpdateAvailabilityRule(id="bkavl_unknown", end_time="08:00")])


async def test_staff_is_listed_with_its_rules(shop: Shop, bookings: BookingService) -> None:
    ann = await bookings.staff.retrieve(shop.ann.id, relations=["availability_rules"])
    assert isinstance(ann.availability_rules, list)
    assert [rule.day_of_week for rule in ann.availability_rules] == list(range(7))


async def test_staff_is_listed_with_its_bookings(scope: Scope, shop: Shop, bookings: BookingService) -> None:
    late, early = await hold(scope, shop, at(12)), await confirmed(scope, shop, at(10))
    staff = await bookings.staff.list(relations=["bookings", "bookings.service"], order={"name": "asc"})
    found = {one.name: [] if one.bookings is UNSET else one.bookings for one in staff}
    assert {booking.id for booking in found[shop.ann.name]} == {late.id, early.id}
    assert found[shop.bob.name] == []
    assert {booking.service_name for booking in found[shop.ann.name] if booking.service == shop.haircut} == {"Haircut"}


@pytest.mark.parametrize("method", ["delete", "soft_delete"])
@pytest.mark.parametrize("kind", ["staff", "services"])
async def test_what_has_live_bookings_ahead_cannot_be_deleted(
    application: Application, scope: Scope, shop: Shop, bookings: BookingService, method: str, kind: str
) -> None:
    booked = await confirmed(scope, shop, at(10))
    held = await hold(scope, shop, at(12))
    repository = bookings.staff if kind == "staff" else bookings.services
    delete = getattr(repository, method)
    id = shop.ann.id if kind == "staff" else shop.haircut.id
    with pytest.raises(HasBookings) as caught:
        async with scope.transaction():
            await delete([id])
    assert caught.value.data["booking_ids"] == [booked.id, held.id]
    await move_clock(application, HOLD_IS_OVER)
    async with scope.transaction():
        await bookings.cancel(booked.id)
    if method == "soft_delete":
        async with scope.transaction():
            await delete([id])
        assert await repository.list({"id": id}) == []
    else:
        with pytest.raises(InvalidData, match="used by"):
            async with scope.transaction():
                await delete([id])


async def test_past_bookings_do_not_stand_against_a_deletion(
    application: Application, scope: Scope, shop: Shop, bookings: BookingService
) -> None:
    await confirmed(scope, shop, at(10))
    await move_clock(application, at(10, 30) - scope.clock.now() + timedelta(seconds=1))
    async with scope.transaction():
        await bookings.staff.soft_delete([shop.ann.id])


async def test_rules_go_and_come_back_with_their_staff(scope: Scope, shop: Shop, bookings: BookingService) -> None:
    [gone_before, *rest] = await bookings.availability_rules.list({"staff_id": shop.ann.id})
    async with scope.transaction():
        await bookings.availability_rules.soft_delete([gone_before.id])
    async with scope.transaction():
        await bookings.staff.soft_delete([shop.ann.id])
    assert await bookings.availability_rules.list({"staff_id": shop.ann.id}) == []
    async with scope.transaction():
        await bookings.staff.restore([shop.ann.id])
    back = await bookings.availability_rules.list({"staff_id": shop.ann.id})
    assert [rule.id for rule in back] == [rule.id for rule in rest]


async def test_restricting_a_service_and_lifting_the_restriction(
    scope: Scope, shop: Shop, bookings: BookingService
) -> None:
    query = SlotQuery(service_id=shop.haircut.id, date=at(0).date())
    for staff_ids, offering in (
        ([shop.bob.id, shop.bob.id], {shop.bob.id}),
        ([shop.ann.id], {shop.ann.id}),
        ([], {shop.ann.id, shop.bob.id}),
    ):
        async with scope.transaction():
            await bookings.set_service_staff(shop.haircut.id, staff_ids)
        assert await bookings.staff_of_service(shop.haircut.id) == sorted(set(staff_ids))
        assert {id for slot in await bookings.slots(query) for id in slot.staff_ids} == offering


async def test_a_service_is_restricted_to_known_staff(scope: Scope, shop: Shop, bookings: BookingService) -> None:
    for service_id, staff_ids in ((shop.haircut.id, ["bkstf_unknown"]), ("bksvc_unknown", [shop.ann.id])):
        with pytest.raises(NotFound):
            async with scope.transaction():
                await bookings.set_service_staff(service_id, staff_ids)


async def test_every_write_needs_a_transaction(shop: Shop, bookings: BookingService) -> None:
    writes = [
        bookings.set_service_staff(shop.haircut.id, []),
        bookings.services.create([CreateService(name="x", price=1)]),
        bookings.staff.soft_delete([shop.ann.id]),
        bookings.cancel("book_x"),
        bookings.reschedule("book_x", at(10)),
        bookings.expire_due(),
        bookings.release("book_x"),
    ]
    for write in writes:
        with pytest.raises(NoTransaction):
            await write


@pytest.mark.parametrize("text", ["\0", "\ud800"])
async def test_texts_that_postgresql_cannot_store_are_refused(
    scope: Scope, shop: Shop, bookings: BookingService, text: str
) -> None:
    held = await hold(scope, shop, at(10))
    with pytest.raises(InvalidData) as caught:
        async with scope.transaction():
            await bookings.cancel(held.id, text)
    assert fields_of(caught.value) == ["cancel_reason"]
    data = CreateBooking(staff_id=shop.ann.id, service_id=shop.haircut.id, start_at=at(12), notes=text)
    with pytest.raises(InvalidData) as caught:
        async with scope.transaction():
            await bookings.create_bookings([data])
    assert fields_of(caught.value) == ["notes"]
