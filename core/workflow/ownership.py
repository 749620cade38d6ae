"""Whether a run is still ours, asked before an effect that no transaction fences."""

from ..db import Session
from .errors import CommitFailed, Fenced
from .journal import find_by_id
from .record import Record


async def check_ours(record: Record) -> None:
    """Raise `Fenced` if the row is not as this execution knows it, `CommitFailed` when the database is away.

    Takes note when the run is to be cancelled.
    """
    try:
        row = await find_by_id(Session(record.container.engine), record.run_id)
    except Exception as error:
        raise CommitFailed(error) from error
    if row is None or (row.epoch, row.status) != (record.epoch, record.status):
        raise Fenced
    record.cancelled = row.cancel_requested
