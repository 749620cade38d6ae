"""The services that can be booked."""

from typing import Annotated

from litestar import get
from msgspec import Struct

from core.errors import Busy
from modules.booking import SERVICE

from ..deps import Container
from ..fields import chosen, fields_of
from ..openapi import Queried, refusals
from ..views import ServiceView

Fields = Annotated[str | None, fields_of(ServiceView)]


class Services(Struct, frozen=True, kw_only=True):
    """All of them; with `fields=` each has those fields only."""

    services: list[ServiceView]


@get(
    "/services",
    summary="The services that can be booked",
    responses=refusals(Busy),
    operation_id="listServices",
    operation_class=Queried,
)
async def list_services(container: Container, fields: Fields = None) -> Services:
    """List the active services by name, all at once."""
    found = await container.query.graph(
        SERVICE,
        select=ServiceView,
        fields=chosen(fields, ServiceView),
        filters={"is_active": True},
        order={"name": "asc"},
    )
    return Services(services=found.data)
