"""What a booking needs of a start, and which starts its service admits at all."""

from datetime import datetime, timedelta
from typing import Self

from msgspec import Struct

from .errors import InPast, OffGrid, TooFarAhead, TooSoon
from .grid import claim_length, on_grid, quarter_of, quarters
from .types import Booking, Service


class SlotRequest(Struct, frozen=True, kw_only=True):
    """What is to be placed and which starts its service admits, at the instant `now`."""

    duration_minutes: int
    claimed_quarters: int
    min_notice_minutes: int
    max_days_ahead: int
    now: datetime

    @classmethod
    def for_service(cls, service: Service, now: datetime) -> Self:
        """Place a new booking of the service."""
        return cls(
            duration_minutes=service.duration_minutes,
            claimed_quarters=claim_length(service.duration_minutes, service.buffer_minutes),
            min_notice_minutes=service.min_notice_minutes,
            max_days_ahead=service.max_days_ahead,
            now=now,
        )

    @classmethod
    def for_move(cls, booking: Booking, service: Service, now: datetime) -> Self:
        """Place an existing booking anew: it keeps its own duration and number of claims."""
        return cls(
            duration_minutes=(booking.end_at - booking.start_at) // timedelta(minutes=1),
            claimed_quarters=quarter_of(booking.claimed_until) - quarter_of(booking.start_at),
            min_notice_minutes=service.min_notice_minutes,
            max_days_ahead=service.max_days_ahead,
            now=now,
        )

    @property
    def earliest(self) -> datetime:
        """No start lies before this instant: now plus the notice."""
        return self.now + timedelta(minutes=self.min_notice_minutes)

    @property
    def latest(self) -> datetime:
        """No start lies after this instant: the horizon."""
        return self.now + timedelta(days=self.max_days_ahead)

    @property
    def reach(self) -> int:
        """Return how many quarters from a start on decide about it."""
        return max(quarters(self.duration_minutes), self.claimed_quarters)


def check_start(start_at: datetime, request: SlotRequest) -> None:
    """Raise `OffGrid`, `InPast`, `TooSoon` or `TooFarAhead` for a start that no staff member can offer."""
    if not on_grid(start_at):
        raise OffGrid(f"{start_at.isoformat()} is not on the quarter hour")
    if start_at < request.now:
        raise InPast(f"{start_at.isoformat()} is past")
    if start_at < request.earliest:
        raise TooSoon(f"book at least {request.min_notice_minutes} minutes ahead")
    if start_at > request.latest:
        raise TooFarAhead(f"book at most {request.max_days_ahead} days ahead")
