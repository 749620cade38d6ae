"""The log of a body: what it says appears when what it did is durable, and once."""

from contextlib import suppress
from typing import Any

import structlog

from .call import Body, Line
from .codec import text_of

_log = structlog.get_logger("holdfast.workflow.body")
_MEANT = {"event", "method_name", "self"}
"""What structlog's own methods call their parameters."""


class BodyLog:
    """`log.info("held", booking_id=...)` in a body: written after the next flush, and not when the body is replayed."""

    def debug(self, event: str, /, **fields: Any) -> None:
        """Log what helps to find errors."""
        self._add("debug", event, fields)

    def info(self, event: str, /, **fields: Any) -> None:
        """Log what happened."""
        self._add("info", event, fields)

    def warning(self, event: str, /, **fields: Any) -> None:
        """Log what should not happen."""
        self._add("warning", event, fields)

    def error(self, event: str, /, **fields: Any) -> None:
        """Log what somebody has to look at."""
        self._add("error", event, fields)

    def _add(self, level: str, event: str, fields: dict[str, Any]) -> None:
        line = Line(level, event, fields)
        if Body.running is None:
            write([line])
        else:
            Body.running.lines.append(line)


log = BodyLog()
"""The log for bodies; in a step use any logger."""


def write(lines: list[Line], **bound: str) -> None:
    """Pass lines on to the real log; a field whose name is `bound`, or means something to it, gets an underscore.

    Raises nothing: what the lines tell of is durable, and must not be taken for undone.
    """
    taken = _MEANT | bound.keys()
    for line in lines:
        fields = {f"{name}_" if name in taken else name: value for name, value in line.fields.items()}
        try:
            getattr(_log, line.level)(line.event, **bound, **fields)
        except Exception as error:  # noqa: BLE001, whatever a logger or a value raises
            with suppress(Exception):
                _log.warning("line_lost", error=text_of(error, repr), **bound)
