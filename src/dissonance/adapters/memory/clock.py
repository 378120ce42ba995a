"""Doubles of the clock and the random source: time moves when told to, chance repeats from its seed."""

from __future__ import annotations

import hashlib


class FixedClock:
    """Stands still until `advance`."""

    is_double = True

    def __init__(self, now_us: int = 1_700_000_000_000_000) -> None:
        self._now_us = now_us

    def now_us(self) -> int:
        return self._now_us

    def advance(self, seconds: float) -> None:
        """Backwards when negative."""
        self._now_us += round(seconds * 1_000_000)


class SeededRandomness:
    """SHAKE-256 of the seed and a counter: the same seed gives the same tokens in the same order."""

    is_double = True

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._count = 0

    def token(self, size: int) -> bytes:
        self._count += 1
        return hashlib.shake_256(f"{self._seed}:{self._count}".encode()).digest(size)
