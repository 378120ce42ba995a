"""Events are batches of columns: put several together, cut one in pieces, keep some rows.

A column is a field whose value is a list with one item a row; every other field speaks of the whole event.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import msgspec

from dissonance.contracts.events import Event

E = TypeVar("E", bound=Event)

MAX_ROWS = 2_000
"""Rows of one message; with `MAX_BYTES` keeps a message under the broker's limit."""

MAX_BYTES = 2_000_000
"""Bytes of sealed rows in one message; the broker takes 8 MB."""


def derived_id(kind: str, causes: Sequence[str]) -> str:
    """The id of an event that follows from others: same causes, same id, so a repeat is dropped.

    >>> derived_id("judged", ["a", "b"]) == derived_id("judged", ["a", "b"])
    True
    """
    digest = hashlib.blake2b(kind.encode(), digest_size=16)
    for cause in causes:
        digest.update(b"|" + cause.encode())
    return digest.hexdigest()


def columns(event: Event) -> dict[str, list[Any]]:
    """The columns of an event, by field name."""
    return {name: value for name in event.__struct_fields__ if isinstance(value := getattr(event, name), list)}


def concatenated(events: Sequence[E], event_id: str) -> E:
    """One event with the rows of all, in order; what is no column is taken from the first."""
    if len(events) == 1:
        return msgspec.structs.replace(events[0], event_id=event_id)
    joined = {name: [item for event in events for item in getattr(event, name)] for name in columns(events[0])}
    return msgspec.structs.replace(events[0], event_id=event_id, **joined)


def selected(event: E, positions: Sequence[int], event_id: str) -> E:
    """The rows at `positions`, in that order."""
    kept = {name: [column[i] for i in positions] for name, column in columns(event).items()}
    return msgspec.structs.replace(event, event_id=event_id, **kept)


def pieces(event: E, max_rows: int = MAX_ROWS, max_bytes: int = MAX_BYTES) -> Iterator[E]:
    """The event, cut so that no piece has more than `max_rows` rows or about `max_bytes` sealed bytes."""
    sealed: list[bytes] = getattr(event, "sealed", [])
    widest = max((len(row) for row in sealed), default=0)
    size = max(1, min(max_rows, max_bytes // max(1, widest)))
    if event.rows <= size:
        yield event
        return
    for number, start in enumerate(range(0, event.rows, size)):
        positions = range(start, min(start + size, event.rows))
        yield selected(event, positions, f"{event.event_id}-{number}")
