"""Times as Airalo writes them."""

from __future__ import annotations

from datetime import UTC, datetime


def timestamp(at: float) -> str:
    """Return a time (seconds since 1970) as most answers have it: UTC, without saying so."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def minute(at: float) -> str:
    """Return a time as future orders and refunds have it: UTC, without seconds."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")


def iso(at: float | None) -> str | None:
    """Return a time as the packages of an eSIM have it: with a zone; None stays None."""
    return None if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")


def parsed(text: str, shape: str) -> float | None:
    """Return the time that ``text`` gives in UTC, in the shape of ``strptime``; None if it is another shape."""
    try:
        return datetime.strptime(text.strip(), shape).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
