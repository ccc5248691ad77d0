"""Instants as people read them."""

from datetime import UTC, datetime


def moment(at_ms: int) -> str:
    """UTC, to the second."""
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"{at_ms} ms"
