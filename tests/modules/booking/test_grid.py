"""Quarter hours as numbers and as bits."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from modules.booking.grid import (
    bits_of,
    claim_length,
    instant_of,
    mask,
    members_of,
    on_grid,
    quarter_of,
    quarters,
    runs,
)


def test_numbers_quarters_from_the_epoch() -> None:
    assert quarter_of(datetime(1970, 1, 1, tzinfo=UTC)) == 0
    assert quarter_of(datetime(1970, 1, 2, 0, 14, 59, 999999, tzinfo=UTC)) == 96
    assert quarter_of(datetime(1969, 12, 31, 23, 59, tzinfo=UTC)) == -1


def test_numbers_an_instant_the_same_whatever_its_offset() -> None:
    kathmandu = timezone(timedelta(hours=5, minutes=45))
    at = datetime(2027, 1, 1, 10, 0, tzinfo=kathmandu)
    assert quarter_of(at) == quarter_of(datetime(2027, 1, 1, 4, 15, tzinfo=UTC))
    assert on_grid(at)


def test_numbers_the_first_and_the_last_instant_that_can_be_written() -> None:
    ahead, behind = timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))
    assert quarter_of(datetime(1, 1, 1, tzinfo=ahead)) < 0
    assert quarter_of(datetime(9999, 12, 31, 23, 45, tzinfo=behind)) > 0


def test_turns_a_quarter_back_into_its_instant() -> None:
    at = datetime(2027, 10, 31, 0, 45, tzinfo=UTC)
    assert instant_of(quarter_of(at)) == at


def test_refuses_to_number_a_naive_time() -> None:
    with pytest.raises(TypeError):
        quarter_of(datetime(2027, 1, 1))


@pytest.mark.parametrize(("minute", "second", "micro"), [(7, 0, 0), (0, 1, 0), (0, 0, 500_000)])
def test_knows_what_is_off_the_grid(minute: int, second: int, micro: int) -> None:
    assert not on_grid(datetime(2027, 1, 1, 10, minute, second, micro, tzinfo=UTC))


def test_counts_begun_quarters() -> None:
    assert [quarters(minutes) for minutes in (1, 15, 16, 1440)] == [1, 1, 2, 96]


def test_rounds_service_and_buffer_up_once() -> None:
    assert claim_length(20, 5) == 2
    assert claim_length(20, 25) == 3
    assert claim_length(30, 0) == 2


def test_puts_only_quarters_of_the_window_into_bits() -> None:
    assert bits_of([9, 10, 12, 14], range(10, 14)) == 0b0101
    assert bits_of([], range(10, 14)) == 0
    assert bits_of([1], range(0)) == 0


def test_reads_bits_back_in_ascending_order() -> None:
    window = range(100, 400)
    chosen = [100, 101, 250, 399]
    assert list(members_of(bits_of(reversed(chosen), window), window)) == chosen
    assert list(members_of(0, window)) == []


def test_masks_the_part_that_lies_in_the_window() -> None:
    assert mask(range(10, 14), range(8, 12)) == 0b0011
    assert mask(range(10, 14), range(13, 20)) == 0b1000
    assert mask(range(10, 14), range(20, 30)) == 0


def test_finds_where_runs_of_set_bits_begin() -> None:
    bits = 0b0111_1011
    assert runs(bits, 1) == bits
    assert runs(bits, 2) == 0b0011_1001
    assert runs(bits, 3) == 0b0001_1000
    assert runs(bits, 4) == 0b0000_1000
    assert runs(bits, 5) == 0
