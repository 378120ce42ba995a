"""Time and chance are ports: no service reads either on its own (design 6.4)."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    def now_us(self) -> int:
        """Microseconds since 1970 UTC."""
        ...


class Randomness(Protocol):
    def token(self, size: int) -> bytes:
        """`size` unpredictable bytes."""
        ...
