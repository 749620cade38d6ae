"""Runs random scenarios, and translates them and their slots into the oracle's words."""

import os
from collections.abc import Callable

from hypothesis import HealthCheck, given, settings

from modules.booking.types import Slot

from . import oracle
from .strategies import Member, Scenario, scenarios

EXAMPLES = 5000 if os.environ.get("HOLDFAST_SOAK") == "1" else 200


def person_of(staff_id: str, member: Member) -> oracle.Person:
    """One staff member of a scenario, as the oracle reads them."""
    rules = [
        oracle.Rule(
            rule.rule_type.value,
            rule.day_of_week,
            rule.specific_date,
            rule.start_time,
            rule.end_time,
            rule.is_available,
        )
        for rule in member.rules
    ]
    return oracle.Person(staff_id, str(member.staff.timezone), rules, [oracle.Claim(*each) for each in member.booked])


def question_of(scenario: Scenario) -> oracle.Question:
    """The question of a scenario, as the oracle reads it."""
    service = scenario.service
    return oracle.Question(
        duration_minutes=service.duration_minutes,
        buffer_minutes=service.buffer_minutes,
        notice_minutes=service.min_notice_minutes,
        horizon_days=service.max_days_ahead,
        now=scenario.now,
        day=scenario.day,
        days=scenario.days,
        timezone=scenario.timezone,
    )


def offer_of(slot: Slot) -> oracle.Offer:
    """A slot, as the oracle writes it."""
    return oracle.Offer(
        slot.start_at.isoformat(),
        slot.end_at.isoformat(),
        slot.start_local.isoformat(),
        slot.timezone,
        slot.available,
        slot.staff_ids,
    )


def run_examples(check: Callable[[Scenario], bool]) -> None:
    """Run a check over random scenarios; some may be about nothing, which it tells by False: one in twenty, mostly."""
    telling: list[bool] = []

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(scenarios())
    def each(scenario: Scenario) -> None:
        telling.append(check(scenario))

    each()
    assert len(telling) >= EXAMPLES
    assert telling.count(False) <= len(telling) / 4
