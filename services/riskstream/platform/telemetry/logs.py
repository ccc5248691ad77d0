"""Logs are events with fields, one JSON object a line on stderr; never a card, a name or an account
number.
"""

import logging
import sys

import structlog


def set_up_logs(service: str, level: str) -> None:
    """Send structlog's events to stderr as JSON with service, level and UTC time."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    logging.getLogger("librdkafka").handlers = [_ToStructlog(logging.WARNING)]
    for name in ("asyncio", "uvicorn"):
        logging.getLogger(name).handlers = [_ToStructlog(logging.WARNING)]


class _ToStructlog(logging.Handler):
    """A library's lines as events, each one line, a traceback as a field of it.

    librdkafka's warning that the gapless guarantee is experimental is known (ADR 0001).
    """

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage().strip()
        if record.name != "librdkafka":
            structlog.get_logger(record.name).warning(
                record.name, text=text, exc_info=record.exc_info
            )
        elif "CONFWARN" not in text:
            structlog.get_logger("librdkafka").warning("kafka client", text=text)
