"""Each error carries the code and status that the HTTP contract names."""

import pytest

from core.errors import HoldfastError
from modules.booking import errors

CONTRACT = {
    409: ["slot_unavailable", "hold_expired", "invalid_state", "has_bookings"],
    412: ["version_mismatch"],
    422: [
        "off_grid",
        "in_past",
        "too_soon",
        "too_far_ahead",
        "nonexistent_local_time",
        "ambiguous_local_time",
        "contact_required",
        "payment_mode_not_allowed",
        "range_too_large",
    ],
}


@pytest.mark.parametrize(("code", "status"), [(code, status) for status, codes in CONTRACT.items() for code in codes])
def test_a_code_of_the_contract_has_its_error(code: str, status: int) -> None:
    leaf = HoldfastError.leaves[code]
    assert leaf.__module__ == errors.__name__
    assert leaf.status == status
    assert leaf().detail


def test_a_lost_slot_carries_its_title_and_alternatives() -> None:
    lost = errors.SlotUnavailable("10:00 is taken", alternatives=[])
    assert (lost.title, lost.detail, lost.data) == ("Slot not available", "10:00 is taken", {"alternatives": []})
