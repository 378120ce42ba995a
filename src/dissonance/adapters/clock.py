"""The machine's clock and random source: the only place that reads either (design 6.4)."""

from __future__ import annotations

import secrets
import time
from threading import Lock

from dissonance.contracts.ids import RANDOM_BYTES, uuid7_after
from dissonance.ports.clock import Clock, Randomness


class SystemClock:
    """`ports.clock.Clock` on the clock of the machine; it may step when the machine's time is corrected."""

    def now_us(self) -> int:
        return time.time_ns() // 1000


class SystemRandomness:
    """`ports.clock.Randomness` on the operating system's generator (getrandom(2))."""

    def token(self, size: int) -> bytes:
        return secrets.token_bytes(size)


_lock = Lock()
_last = bytes(16)


def uuid7(clock: Clock, randomness: Randomness) -> bytes:
    """A prediction id after every other that this function made in this process (RFC 9562, section 6.2)."""
    global _last
    random10 = randomness.token(RANDOM_BYTES)
    with _lock:
        _last = uuid7_after(_last, clock.now_us() // 1000, random10)
        return _last
