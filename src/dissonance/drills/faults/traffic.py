"""The requests of the campaign: one row each, of people who come again, each at an event time of its own."""

from __future__ import annotations

import msgspec

from dissonance.contracts.api import RowsRequest
from dissonance.contracts.times import to_text
from dissonance.drills import census
from dissonance.drills.soak.traffic import DAY_US, TIME

PEOPLE = 2_000
"""As many come again and again, every ten seconds at 200 requests a second."""

STRANGER_EVERY = 100
"""Every so manieth request is about somebody never seen before, for whom a key must be made."""

STEP_US = 4_000_000
"""Microseconds of event time from a request to the next: 21,600 requests are a day and a window."""

MOST_REQUESTS = 2_000_000


class Requests:
    """The k-th request; `now_us` of the clock: the last possible event time is a day before it."""

    def __init__(self, now_us: int) -> None:
        self._records, _ = census.traffic(PEOPLE)
        self.start_us = now_us // DAY_US * DAY_US - DAY_US - MOST_REQUESTS * STEP_US

    def event_time_us(self, number: int) -> int:
        """Different for each request, so that a stored row tells which one it answers."""
        return self.start_us + number * STEP_US

    def number(self, event_time_us: int) -> int | None:
        """The request of an event time; None where there is none."""
        number, rest = divmod(event_time_us - self.start_us, STEP_US)
        return number if rest == 0 and 0 <= number < MOST_REQUESTS else None

    def body(self, number: int) -> bytes:
        record = self._records[number % len(self._records)]
        person = f"stranger-{number}" if number % STRANGER_EVERY == 0 else record[census.PERSON]
        row = {**record, census.PERSON: person, TIME: to_text(self.event_time_us(number))}
        return msgspec.json.encode(RowsRequest([row]))
