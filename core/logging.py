"""Logs of a process: one JSON object a line on standard output."""

import logging

import msgspec
import structlog


def configure_logging() -> None:
    """Let structlog write JSON; the request id that is bound while a request runs is on every line."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_encode),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.BytesLoggerFactory(),
        cache_logger_on_first_use=True,
    )


def adopt_logger(name: str) -> None:
    """Let a library's logger, and those below it, write its warnings the same way."""
    logger = logging.getLogger(name)
    logger.handlers = [_Adopting()]
    logger.propagate = False


class _Adopting(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        said = {"text": record.getMessage(), "exc_info": record.exc_info or None}
        structlog.get_logger(record.name).log(record.levelno, "library_said", **said)


def _encode(event: object, default: object = None, **_: object) -> bytes:
    return msgspec.json.encode(event, enc_hook=repr)
