"""Logs are events with fields, one JSON object a line on stderr; never a card, a name or an account number."""

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


class _ToStructlog(logging.Handler):
    """librdkafka's lines as events; the warning that the gapless guarantee is experimental is known (ADR 0001)."""

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if "CONFWARN" not in text:
            structlog.get_logger("librdkafka").warning("kafka client", text=text)
