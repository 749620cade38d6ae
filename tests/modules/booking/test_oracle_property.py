"""The offer equals what a slow walk over the minutes finds, and the check of one start agrees with the offer."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from core.errors import HoldfastError
from modules.booking.availability import StaffCalendar, offered_slots, staff_at
from modules.booking.grid import claim_length, quarter_of
from modules.booking.slot_request import SlotRequest, check_start
from modules.booking.working_time import check_rule

from . import oracle
from .compare import offer_of, person_of, question_of, run_examples
from .strategies import BookedTime, Scenario


def request_of(scenario: Scenario) -> SlotRequest:
    service = scenario.service
    return SlotRequest(
        duration_minutes=service.duration_minutes,
        claimed_quarters=claim_length(service.duration_minutes, service.buffer_minutes),
        min_notice_minutes=service.min_notice_minutes,
        max_days_ahead=service.max_days_ahead,
        now=scenario.now,
    )


def calendars_of(scenario: Scenario) -> list[StaffCalendar]:
    return [
        StaffCalendar(
            staff_id=staff_id(number),
            zone=ZoneInfo(str(member.staff.timezone)),
            rules=member.rules,
            busy=[quarter for booked in member.booked for quarter in quarters_of(booked)],
        )
        for number, member in enumerate(scenario.members)
    ]


def staff_id(number: int) -> str:
    return f"bkstf_{number}"


def quarters_of(booked: BookedTime) -> range:
    return range(quarter_of(booked.start_at), quarter_of(booked.claimed_until))


def people_of(scenario: Scenario) -> list[oracle.Person]:
    return [person_of(staff_id(number), member) for number, member in enumerate(scenario.members)]


def test_offers_exactly_what_a_walk_over_the_minutes_finds() -> None:
    def equals_the_oracle(scenario: Scenario) -> bool:
        zone = ZoneInfo(scenario.timezone) if scenario.timezone else None
        for member in scenario.members:
            for rule in member.rules:
                check_rule(rule)
        slots = offered_slots(calendars_of(scenario), request_of(scenario), scenario.day, scenario.days, zone)
        expected = oracle.offers(people_of(scenario), question_of(scenario))
        assert [offer_of(slot) for slot in slots] == expected
        return any(each.available for each in expected)

    run_examples(equals_the_oracle)


def test_one_start_can_be_taken_exactly_where_it_is_offered() -> None:
    def agrees_with_the_oracle(scenario: Scenario) -> bool:
        everywhere = question_of(scenario)._replace(timezone="UTC")
        offered = {each.start_at: each.staff_ids for each in oracle.offers(people_of(scenario), everywhere)}
        for number in range(scenario.days * 96):
            start_at = datetime.fromisoformat(f"{scenario.day}T00:00Z") + number * timedelta(minutes=15)
            assert takers(start_at, scenario) == offered.get(start_at.isoformat())
        return any(offered.values())

    run_examples(agrees_with_the_oracle)


def takers(start_at: datetime, scenario: Scenario) -> list[str] | None:
    """Return who could take the start, None where nobody's rules allow it."""
    request = request_of(scenario)
    try:
        check_start(start_at, request)
    except HoldfastError:
        return None
    found = staff_at(start_at, calendars_of(scenario), request)
    return found.free if found.listed else None
