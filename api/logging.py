"""Logs of an API process: one JSON object a line on standard output."""

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


def _encode(event: object, default: object = None, **_: object) -> bytes:
    return msgspec.json.encode(event, enc_hook=repr)
