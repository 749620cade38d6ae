"""What the shop's tables hold, row by row, so that a test can say that a request wrote nothing."""

from typing import LiteralString

from .site import Site

ROWS: LiteralString = """
SELECT (SELECT coalesce(jsonb_object_agg(id, xmin::text), '{}') FROM booking),
    (SELECT coalesce(jsonb_object_agg(resource_id || ' ' || q, xmin::text), '{}') FROM slot_claim),
    (SELECT count(*) FROM workflow_run), (SELECT count(*) FROM workflow_step),
    (SELECT coalesce(jsonb_object_agg(id, xmin::text), '{}') FROM booking_service),
    (SELECT coalesce(jsonb_object_agg(id, xmin::text), '{}') FROM booking_staff)"""

Ledger = tuple[object, ...]


async def ledger(site: Site) -> Ledger:
    """Return which rows there are and which transaction wrote each of them last."""
    async with site.application.scope() as scope:
        [found] = await scope.session.sql(ROWS)
    return found
