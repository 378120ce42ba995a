"""Times as they travel: microseconds since 1970 UTC inside, RFC 3339 at the edges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from dissonance.contracts.counts import counted
from dissonance.errors import WrongType

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR_US = 3_600_000_000
EARLIEST_US = -62_135_596_800_000_000  # the start of the year 1
UNITS_S = {"day": 86_400, "hour": 3_600, "minute": 60, "second": 1}
LONGEST_SHOWN = 60
LATEST_US = 253_402_300_799_999_999  # the end of the year 9999


def to_text(time_us: int) -> str:
    """RFC 3339 knows the years 1 to 9999: beyond them, where a window may end, the nearest time is given.

    >>> to_text(0)
    '1970-01-01T00:00:00.000000Z'
    """
    shown_us = min(max(time_us, EARLIEST_US), LATEST_US)
    return (EPOCH + timedelta(microseconds=shown_us)).isoformat(timespec="microseconds").replace("+00:00", "Z")


def to_us(value: object, where: str) -> int:
    """From RFC 3339 text or a number of seconds since 1970. Raises `WrongType` that names `where`.

    Text without an offset is read as UTC.

    >>> to_us("1970-01-01T00:00:01Z", "event_time")
    1000000
    """
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            time_us = (moment - EPOCH) // timedelta(microseconds=1)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            time_us = round(value * 1_000_000)
        else:
            raise _not_a_time(value, where)
    except (ValueError, OverflowError) as error:
        raise _not_a_time(value, where) from error
    if not EARLIEST_US <= time_us <= LATEST_US:
        raise WrongType(
            "the time is not in the years 1 to 9999", where=where, fix="give seconds since 1970, not a smaller unit"
        )
    return time_us


def lasting(seconds: int) -> str:
    """A length of time as people say it, in the two largest units that it has.

    >>> lasting(1_800), lasting(604_800), lasting(5_400), lasting(90_061), lasting(1), lasting(0)
    ('30 minutes', '7 days', '1 hour 30 minutes', '1 day 1 hour', '1 second', '0 seconds')
    """
    said = []
    for unit, length in UNITS_S.items():
        count, seconds = divmod(seconds, length)
        if count:
            said.append(counted(count, unit))
    return " ".join(said[:2]) or "0 seconds"


def _not_a_time(value: object, where: str) -> WrongType:
    """`value` came from outside, and may be long."""
    shown = repr(value)
    return WrongType(
        f"{shown if len(shown) <= LONGEST_SHOWN else shown[:LONGEST_SHOWN] + '…'} is not a time",
        where=where,
        fix="give RFC 3339 text such as 2018-01-31T12:00:00Z, or seconds since 1970",
    )
