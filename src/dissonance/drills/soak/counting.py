"""What went over the bus, counted from its own streams after the run: messages, rows, and how many of those differ."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dissonance.contracts.codec import decode
from dissonance.contracts.events import Contradicted, Experienced, Judged, Labelled, LabelsJoined, Predicted
from dissonance.contracts.topics import EventKind
from dissonance.ports.bus import Bus

COUNTER = "soak"
"""A durable consumer of its own, in the data folder of the drill."""

FETCHED = 256
WAIT_S = 2.0  # seconds without a message after which there is none left
ID_BYTES = 16

BY_ROW = Predicted | Contradicted | Judged | Experienced | Labelled | LabelsJoined
KINDS = (
    EventKind.PREDICTED,
    EventKind.CONTRADICTED,
    EventKind.JUDGED,
    EventKind.EXPERIENCED,
    EventKind.LABELLED,
    EventKind.LABELS_JOINED,
)


class Passed(NamedTuple):
    """`messages` on the stream, `rows` in them, `predictions`: different ids among those rows."""

    messages: int
    rows: int
    predictions: int


async def passed(bus: Bus, kind: EventKind, wait_s: float = WAIT_S) -> Passed:
    """Read every message of one kind. Raises `EngineUnavailable`."""
    ids: list[bytes] = []
    messages = rows = 0
    async with bus.subscribe(COUNTER, [kind]) as subscription:
        while batch := await subscription.fetch(FETCHED, wait_s):
            for delivery in batch:
                event = decode(delivery.data)
                await delivery.ack()
                if isinstance(event, BY_ROW):
                    ids.append(b"".join(event.prediction_ids))
                    messages, rows = messages + 1, rows + len(event.prediction_ids)
    return Passed(messages, rows, different(b"".join(ids)))


def different(ids: bytes) -> int:
    """How many of the ids, 16 bytes each one after the other, differ.

    >>> different(bytes(16) + bytes(16) + bytes(15) + b"x")
    2
    """
    return len(np.unique(np.frombuffer(ids, dtype=f"V{ID_BYTES}"))) if ids else 0
