"""Pure rules of the proposer: which answers belong together, and what one request's share of a batch is."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

MAX_BATCH_ROWS = 2_000
"""Rows answered in one go; with more queued, the next batch takes them."""


def answers(probabilities: Sequence[Sequence[float]]) -> list[int]:
    """Index of the most probable class of each row, the first one on a tie. (n, k) to n."""
    return [row.index(max(row)) for row in probabilities]


class Share(NamedTuple):
    """Where one request's rows lie in a batch: `[start, end)`."""

    start: int
    end: int


def shares(sizes: Sequence[int]) -> list[Share]:
    """
    >>> shares([2, 1])
    [Share(start=0, end=2), Share(start=2, end=3)]
    """
    ends = np.cumsum(sizes).tolist()
    return [Share(end - size, end) for size, end in zip(sizes, ends, strict=True)]


def how_many_fit(sizes: Sequence[int], limit: int = MAX_BATCH_ROWS) -> int:
    """How many requests from the head of the queue make the next batch: at least one.

    >>> how_many_fit([1500, 600, 10], limit=2000)
    1
    """
    total = 0
    for count, size in enumerate(sizes):
        total += size
        if total > limit:
            return max(1, count)
    return len(sizes)


def idempotency_hash(task_id: str, client: str, key: str) -> bytes:
    """Keys of different clients and tasks never meet; the key itself is not kept. 32 bytes."""
    return hashlib.sha256("\x00".join((task_id, client, key)).encode()).digest()


def falls_on_canary(data_subject: bytes, share: float) -> bool:
    """The same data subject always falls on the same side: its keyed hash is uniform.

    >>> falls_on_canary(bytes(16), 0.1), falls_on_canary(bytes([255] * 16), 0.1)
    (True, False)
    """
    return int.from_bytes(data_subject[:8]) < share * 2.0**64
