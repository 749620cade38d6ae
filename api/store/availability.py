"""When a service can be booked."""

import datetime as dt
from typing import Annotated, Any

from litestar import Request, get
from litestar.params import FromQuery, QueryParameter
from msgspec import Struct

from core.errors import Busy, Forbidden, InvalidData, NotFound, Unauthorized
from modules.booking import BookingService, RangeTooLarge, Slot, SlotQuery

from ..credentials import authorize_booking
from ..deps import Container
from ..openapi import Queried, refusals

Day = Annotated[dt.date, QueryParameter(description="The first date, YYYY-MM-DD.")]
Days = Annotated[
    int, QueryParameter(description="How many dates, 1 to 42.", schema_extra={"minimum": 1, "maximum": 42})
]
StaffId = Annotated[str | None, QueryParameter(description="Only this staff member.")]
TimeZone = Annotated[
    str | None,
    QueryParameter(description="IANA zone of the dates and of `start_local`; else each staff member's own."),
]
BookingId = Annotated[
    str | None, QueryParameter(description="A booking to be moved: its own time counts as free. Needs its credential.")
]


class Slots(Struct, frozen=True, kw_only=True):
    """Slots, sorted by instant."""

    slots: list[Slot]


@get(
    "/availability",
    summary="Free and taken slots",
    operation_id="listSlots",
    operation_class=Queried,
    security=[{}, {"manageToken": []}, {"bearer": []}],
    responses=refusals(InvalidData, RangeTooLarge, NotFound, Unauthorized, Forbidden, Busy),
)
async def list_slots(
    request: Request[Any, Any, Any],
    container: Container,
    date: Day,
    service_id: FromQuery[str],
    staff_id: StaffId = None,
    days: Days = 1,
    timezone: TimeZone = None,
    booking_id: BookingId = None,
) -> Slots:
    """List every start that the rules of the active staff allow; `available` says whether one of them is free."""
    if booking_id is not None:
        await authorize_booking(request, container, booking_id)
    query = SlotQuery(
        service_id=service_id, staff_id=staff_id, date=date, days=days, timezone=timezone, booking_id=booking_id
    )
    return Slots(slots=await container.resolve(BookingService).slots(query))
