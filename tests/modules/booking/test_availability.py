"""What is offered on a day, and that one start can be taken exactly where it is offered."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest

from modules.booking.availability import StaffCalendar, claim_window, offered_slots, staff_at, starts_on
from modules.booking.errors import InPast, OffGrid, TooFarAhead, TooSoon
from modules.booking.grid import instant_of
from modules.booking.slot_request import SlotRequest, check_start
from modules.booking.types import Slot

from .samples import blocked, calendar, claims, exception, request, starts, weekly

MONDAY = date(2027, 1, 4)
NINE_TO_FIVE = weekly("09:00", "17:00")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def offered(
    *calendars: StaffCalendar, wanted: SlotRequest | None = None, day: date = MONDAY, days: int = 1
) -> list[str]:
    """The free local starts of a day."""
    return starts(offered_slots(calendars, wanted or request(), day, days), available=True)


def free_at(start: str, *calendars: StaffCalendar, wanted: SlotRequest | None = None) -> list[str]:
    return staff_at(at(start), calendars, wanted or request()).free


def test_offers_every_quarter_hour_from_opening_to_close_less_the_duration() -> None:
    assert offered(calendar(weekly("09:00", "10:30"))) == ["09:00", "09:15", "09:30", "09:45", "10:00"]


def test_the_last_start_is_the_close_less_the_duration() -> None:
    assert offered(calendar(weekly("09:00", "20:00")), wanted=request(90))[-1] == "18:30"
    assert offered(calendar(weekly("09:00", "20:00")), wanted=request(20))[-1] == "19:30"


def test_offers_nothing_without_rules_or_staff() -> None:
    assert offered(calendar([])) == []
    assert offered() == []


def test_a_slot_ends_after_the_duration_without_the_buffer() -> None:
    (slot,) = offered_slots([calendar(weekly("09:00", "09:30"))], request(20, 10), MONDAY, 1)
    assert (slot.start_at, slot.end_at) == (at("2027-01-04T09:00Z"), at("2027-01-04T09:20Z"))


def test_a_taken_start_is_listed_but_not_available() -> None:
    slots = offered_slots(
        [calendar(weekly("09:00", "10:00"), claims("2027-01-04T09:30Z", "2027-01-04T10:00Z"))], request(), MONDAY, 1
    )
    assert [(slot.available, slot.staff_ids) for slot in slots] == [(True, ["bkstf_1"]), (False, []), (False, [])]


def test_the_buffer_may_run_past_closing_and_into_time_off() -> None:
    assert offered(calendar(weekly("09:00", "09:30")), wanted=request(30, 60)) == ["09:00"]
    lunch = blocked(MONDAY, "12:00", "13:00")
    assert "11:30" in offered(calendar(NINE_TO_FIVE + lunch), wanted=request(30, 60))


def test_the_buffer_never_runs_into_a_claim_even_over_midnight() -> None:
    early = claims("2027-01-05T00:00Z", "2027-01-05T00:30Z")
    late_hours = weekly("23:00", "24:00")
    assert offered(calendar(late_hours, early), wanted=request(30, 15)) == ["23:00", "23:15"]
    assert offered(calendar(late_hours), wanted=request(30, 15)) == ["23:00", "23:15", "23:30"]


def test_every_offered_start_can_be_taken_and_no_other_beside_a_buffer_that_ends_in_the_window() -> None:
    # A neighbour from 10:00 to 10:20 with a buffer of 15 minutes claims until 10:45.
    person = calendar(weekly("09:00", "12:00"), claims("2027-01-04T10:00Z", "2027-01-04T10:45Z"))
    wanted = request(30, 10)
    bookable = [f"{9 + n // 4:02}:{n % 4 * 15:02}" for n in range(-8, 16)]
    taken = [start for start in bookable if free_at(f"2027-01-04T{start}Z", person, wanted=wanted)]
    assert taken == offered(person, wanted=wanted) == ["09:00", "09:15", "10:45", "11:00", "11:15", "11:30"]


def test_a_start_in_a_neighbours_buffer_is_refused() -> None:
    person = calendar(NINE_TO_FIVE, claims("2027-01-04T10:00Z", "2027-01-04T10:45Z"))
    found = staff_at(at("2027-01-04T10:30Z"), [person], request())
    assert (found.listed, found.free) == (["bkstf_1"], [])


def test_tells_closed_from_taken() -> None:
    assert staff_at(at("2027-01-04T18:00Z"), [calendar(NINE_TO_FIVE)], request()).listed == []


def test_a_claim_within_a_wanted_hour_conflicts_with_it() -> None:
    person = calendar(NINE_TO_FIVE, claims("2027-01-04T09:15Z", "2027-01-04T09:45Z"))
    assert free_at("2027-01-04T09:00Z", person, wanted=request(60)) == []
    assert free_at("2027-01-04T09:45Z", person, wanted=request(60)) == ["bkstf_1"]


def test_the_tail_of_a_running_booking_stays_blocked() -> None:
    person = calendar(NINE_TO_FIVE, claims("2027-01-04T09:00Z", "2027-01-04T10:45Z"))
    assert offered(person, wanted=request(now=at("2027-01-04T09:40Z")))[0] == "10:45"


def test_past_starts_are_left_out_and_the_present_one_is_not() -> None:
    assert offered(calendar(NINE_TO_FIVE), wanted=request(now=at("2027-01-04T10:00Z")))[0] == "10:00"
    assert offered(calendar(NINE_TO_FIVE), wanted=request(now=at("2027-01-04T10:00:01Z")))[0] == "10:15"
    assert offered(calendar(NINE_TO_FIVE), wanted=request(now=at("2027-01-05T00:00Z"))) == []


def test_starts_within_the_notice_are_left_out() -> None:
    assert offered(calendar(NINE_TO_FIVE), wanted=request(now=at("2027-01-04T08:50Z"), notice=60))[0] == "10:00"


def test_a_notice_that_lands_on_a_change_of_clocks_is_not_an_hour_wrong() -> None:
    # Seven days before 10:00 in summer time is 09:00 in winter time.
    vienna = calendar(NINE_TO_FIVE, zone="Europe/Vienna")
    wanted = request(now=at("2027-03-21T09:00+01:00"), notice=7 * 1440)
    assert offered(vienna, wanted=wanted, day=date(2027, 3, 28))[0] == "10:00"
    check_start(at("2027-03-28T10:00+02:00"), wanted)
    with pytest.raises(TooSoon):
        check_start(at("2027-03-28T09:45+02:00"), wanted)


def test_starts_beyond_the_horizon_are_left_out() -> None:
    wanted = request(now=at("2027-01-01T10:00Z"), max_days=3)
    assert offered(calendar(NINE_TO_FIVE), wanted=wanted)[-1] == "10:00"
    assert offered(calendar(NINE_TO_FIVE), wanted=wanted, day=date(2027, 1, 5)) == []


@pytest.mark.parametrize(
    ("start", "error"),
    [
        ("2027-01-04T10:07Z", OffGrid),
        ("2027-01-04T10:00:01Z", OffGrid),
        ("2027-01-04T10:00:00.5Z", OffGrid),
        ("2027-01-04T08:45Z", InPast),
        ("0001-01-01T00:00+14:00", InPast),
        ("2027-01-04T09:45Z", TooSoon),
        ("2027-01-14T09:15Z", TooFarAhead),
        ("9999-12-31T23:45-12:00", TooFarAhead),
    ],
)
def test_says_why_nobody_can_offer_a_start(start: str, error: type[Exception]) -> None:
    wanted = request(now=at("2027-01-04T09:00Z"), notice=60, max_days=10)
    with pytest.raises(error):
        check_start(at(start), wanted)


def test_the_bounds_themselves_can_be_taken() -> None:
    wanted = request(now=at("2027-01-04T09:00Z"), notice=60, max_days=10)
    check_start(at("2027-01-04T10:00Z"), wanted)
    check_start(at("2027-01-14T09:00Z"), wanted)


@pytest.mark.parametrize("day", [date(1, 1, 1), date(2026, 1, 1), date(9999, 12, 31)])
def test_a_date_far_away_offers_nothing(day: date) -> None:
    assert offered(calendar(NINE_TO_FIVE, zone="Asia/Kathmandu"), day=day, days=42) == []


def test_merges_staff_and_names_the_free_ones_in_ascending_order() -> None:
    third = calendar(weekly("09:00", "10:00"), staff_id="bkstf_3")
    first = calendar(weekly("09:30", "10:00"), staff_id="bkstf_1")
    second = calendar(weekly("09:00", "10:00"), claims("2027-01-04T09:30Z", "2027-01-04T10:00Z"), staff_id="bkstf_2")
    slots = offered_slots([third, first, second], request(), MONDAY, 1)
    assert [slot.staff_ids for slot in slots] == [["bkstf_2", "bkstf_3"], ["bkstf_3"], ["bkstf_1", "bkstf_3"]]
    assert free_at("2027-01-04T09:30Z", third, first, second) == ["bkstf_1", "bkstf_3"]


def test_without_a_viewers_zone_each_staff_member_answers_for_their_own_date() -> None:
    vienna = calendar(weekly("09:00", "09:30"), zone="Europe/Vienna", staff_id="bkstf_1")
    new_york = calendar(weekly("20:00", "20:30"), zone="America/New_York", staff_id="bkstf_2")
    slots = offered_slots([vienna, new_york], request(), MONDAY, 1)
    assert [slot.start_local.isoformat() for slot in slots] == [
        "2027-01-04T09:00:00+01:00",
        "2027-01-04T20:00:00-05:00",
    ]
    assert [slot.timezone for slot in slots] == ["Europe/Vienna", "America/New_York"]


def test_with_a_viewers_zone_the_date_is_theirs() -> None:
    new_york = calendar(weekly("20:00", "20:30"), zone="America/New_York")
    slots = offered_slots([new_york], request(), date(2027, 1, 5), 1, ZoneInfo("Europe/Vienna"))
    assert [slot.start_at for slot in slots] == [at("2027-01-05T01:00Z")]
    assert [(slot.start_local.isoformat(), slot.timezone) for slot in slots] == [
        ("2027-01-05T02:00:00+01:00", "Europe/Vienna")
    ]


def test_a_shared_slot_is_shown_in_the_zone_of_the_first_free_staff_member() -> None:
    vienna = calendar(weekly("10:00", "10:30"), zone="Europe/Vienna", staff_id="bkstf_1")
    london = calendar(weekly("09:00", "09:30"), zone="Europe/London", staff_id="bkstf_2")
    taken = claims("2027-01-04T09:00Z", "2027-01-04T09:30Z")
    busy_vienna = msgspec.structs.replace(vienna, busy=taken)
    busy_london = msgspec.structs.replace(london, busy=taken)
    shown = [
        offered_slots(pair, request(), MONDAY, 1)[0].timezone
        for pair in ([london, vienna], [london, busy_vienna], [busy_london, busy_vienna])
    ]
    assert shown == ["Europe/Vienna", "Europe/London", "Europe/Vienna"]


def test_a_viewers_zone_changes_how_instants_are_written_and_nothing_else() -> None:
    person = calendar(NINE_TO_FIVE, zone="Europe/Vienna")
    own = offered_slots([person], request(), MONDAY, 1)
    for zone in ("Pacific/Kiritimati", "Pacific/Midway", "Europe/Vienna"):
        viewed = offered_slots([person], request(), MONDAY - timedelta(days=1), 3, ZoneInfo(zone))
        assert {slot.start_at for slot in own} <= {slot.start_at for slot in viewed}
        assert all(slot.start_local == slot.start_at for slot in viewed)


def test_a_local_exception_is_one_instant_to_viewers_everywhere() -> None:
    saturday = date(2027, 1, 9)
    berlin = calendar(exception(saturday, "00:00", "00:15"), zone="Europe/Berlin")
    assert len(offered_slots([berlin], request(15), saturday, 1)) == 1
    for zone in ("America/Los_Angeles", "Europe/Berlin", "Pacific/Kiritimati"):
        viewed = offered_slots([berlin], request(15), saturday - timedelta(days=1), 2, ZoneInfo(zone))
        assert [slot.start_at for slot in viewed] == [at("2027-01-08T23:00Z")]


def test_one_closed_date_of_an_open_week_is_closed_whole_and_its_neighbours_are_complete() -> None:
    person = calendar(weekly("00:00", "24:00") + blocked(date(2027, 1, 5)), zone="America/New_York")
    counts = [len(offered(person, wanted=request(15), day=date(2027, 1, day))) for day in (4, 5, 6)]
    assert counts == [96, 0, 96]


def test_hours_seen_before_a_change_of_clocks_are_the_hours_after_it() -> None:
    person = calendar(weekly("13:00", "18:00"), zone="America/New_York")
    before_change = request(now=at("2027-03-01T12:00-05:00"))
    slots = offered_slots([person], before_change, date(2027, 3, 14), 1)
    assert (slots[0].start_at, slots[-1].end_at) == (at("2027-03-14T17:00Z"), at("2027-03-14T22:00Z"))
    assert free_at("2027-03-14T13:00-04:00", person, wanted=before_change) == ["bkstf_1"]
    assert free_at("2027-03-14T12:00-04:00", person, wanted=before_change) == []


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("Africa/Cairo", date(2027, 4, 30)),
        ("America/Santiago", date(2027, 9, 5)),
        ("Asia/Beirut", date(2027, 3, 28)),
        ("America/Havana", date(2027, 3, 14)),
    ],
)
def test_a_date_without_midnight_offers_its_23_hours(zone: str, day: date) -> None:
    found = offered(
        calendar(weekly("00:00", "24:00"), zone=zone), wanted=request(15, now=at("2027-03-01T00:00Z")), day=day
    )
    assert (len(found), found[0], found[-1]) == (92, "01:00", "23:45")


def test_a_time_that_happens_twice_is_offered_as_two_instants() -> None:
    vienna = calendar(weekly("00:00", "24:00"), zone="Europe/Vienna")
    slots = offered_slots([vienna], request(15), date(2027, 10, 31), 1)
    twice = [slot for slot in slots if f"{slot.start_local:%H:%M}" == "02:30"]
    assert len(slots) == 100
    assert [slot.start_at for slot in twice] == [at("2027-10-31T00:30Z"), at("2027-10-31T01:30Z")]
    assert [slot.start_local.isoformat()[-6:] for slot in twice] == ["+02:00", "+01:00"]


def test_a_service_of_a_whole_day_fits_where_open_days_meet() -> None:
    person = calendar(weekly("00:00", "24:00", [0, 1]))
    assert offered(person, wanted=request(1440), days=2)[-1] == "00:00"
    assert len(offered(person, wanted=request(1440), days=2)) == 97


def test_reads_the_claims_that_decide_about_the_starts_and_no_others() -> None:
    wanted = request(30, 30)
    window = claim_window([starts_on(MONDAY, 1, ZoneInfo("UTC"), wanted), range(0)], wanted)
    assert instant_of(window.start) == at("2027-01-04T00:00Z")
    assert instant_of(window.stop) == at("2027-01-05T00:45Z")
    assert not claim_window([range(0)], wanted)


def test_does_not_depend_on_the_order_of_calendars() -> None:
    people = [calendar(NINE_TO_FIVE, staff_id=f"bkstf_{n}") for n in range(3)]
    assert offered_slots(people, request(), MONDAY, 1) == offered_slots(people[::-1], request(), MONDAY, 1)


def test_local_starts_survive_being_encoded() -> None:
    slots = offered_slots(
        [calendar(NINE_TO_FIVE, zone="Europe/Vienna")], request(now=datetime(2027, 1, 1, tzinfo=UTC)), MONDAY, 1
    )
    again = msgspec.json.decode(msgspec.json.encode(slots), type=list[Slot])
    assert again == slots
    assert again[0].start_local.isoformat() == "2027-01-04T09:00:00+01:00"
