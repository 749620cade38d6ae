"""The people who render the services."""

from typing import Annotated, Any

from litestar import get
from litestar.params import FromQuery
from msgspec import Struct

from core.errors import Busy, NotFound
from modules.booking import STAFF, BookingService

from ..deps import Container
from ..fields import chosen, fields_of
from ..openapi import Queried, refusals
from ..views import StaffView

Fields = Annotated[str | None, fields_of(StaffView)]


class StaffList(Struct, frozen=True, kw_only=True):
    """All of them; with `fields=` each has those fields only."""

    staff: list[StaffView]


@get(
    "/staff",
    summary="Who renders the services",
    operation_id="listStaff",
    operation_class=Queried,
    responses=refusals(NotFound, Busy),
)
async def list_staff(
    container: Container, service_id: FromQuery[str | None] = None, fields: Fields = None
) -> StaffList:
    """List the active staff by name, all at once; with `service_id` those who offer that service."""
    names = chosen(fields, StaffView)
    filters: dict[str, Any] = {"is_active": True}
    if service_id is not None:
        service = container.resolve(BookingService)
        await service.active_service(service_id)
        if restricted_to := await service.staff_of_service(service_id):
            filters["id"] = restricted_to
    found = await container.query.graph(STAFF, select=StaffView, fields=names, filters=filters, order={"name": "asc"})
    return StaffList(staff=found.data)
