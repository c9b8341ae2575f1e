"""Moments as the database writes them: UTC, ISO 8601, to the millisecond. Layer 2.

Written alike, they compare as texts in the order of time.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

from aura_local.errors import InvalidRequest

Now: TypeAlias = Callable[[], datetime]
"""Tells the time of day, with a time zone; tests bring their own."""


def utc_now() -> datetime:
    return datetime.now(UTC)


def stamp(moment: datetime) -> str:
    """As written to the database.

    Raises `InvalidRequest` for a moment without a time zone, or outside the years 1 to 9999 in UTC.
    """
    if moment.tzinfo is None:
        raise InvalidRequest("A moment needs its time zone, such as 2027-01-31T00:00:00Z.")
    try:
        return moment.astimezone(UTC).isoformat(timespec="milliseconds")
    except OverflowError as error:
        raise InvalidRequest("There is no such moment in UTC.") from error


def unix_s(written: str) -> float:
    """Seconds since 1970, UTC, of a moment as `stamp` wrote it."""
    return datetime.fromisoformat(written).timestamp()
