"""One INSERT in the background: as a run, and as the delivery of an event."""

from core.event import Event, subscriber
from core.workflow import workflow

from ..kinds import Item, insert_row


@workflow("bench-background", version=1)
async def insert_in_background(item: Item) -> Item:
    """Insert a row."""
    return await insert_row(item)


@subscriber("bench.happened", id="bench-insert")
async def insert_on_event(event: Event[Item]) -> None:
    """Insert a row."""
    await insert_row(event.data)
