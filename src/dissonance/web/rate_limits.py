"""How fast each caller may ask: the generic cell rate algorithm (ITU-T I.371), one number a caller."""

from __future__ import annotations

from typing import Protocol

from dissonance.errors import RateLimited
from dissonance.ports.clock import Clock
from dissonance.security.tokens import Identity

BURST_S = 1.0
"""A caller that was quiet may ask for what so many seconds allow at once."""

KEPT = 10_000
"""Callers that are remembered; those that owe nothing are forgotten first."""


class Verifier(Protocol):
    """`security.tokens.TokenVerifier`, as much of it as admission needs."""

    def verify(self, token: str) -> Identity: ...

    def verify_again(self, identity: Identity) -> None: ...


class RateLimitedVerifier:
    """Lets each identity through at most `requests_per_s` times a second, above 0, over time."""

    def __init__(self, verifier: Verifier, requests_per_s: float, clock: Clock) -> None:
        self._verifier = verifier
        self._cost_us = 1e6 / requests_per_s
        self._tolerance_us = max(0.0, BURST_S * 1e6 - self._cost_us)
        self._clock = clock
        self._free_at_us: dict[str, float] = {}

    def verify(self, token: str) -> Identity:
        """Raises `Unauthenticated`, or `RateLimited` for a caller that asks too fast."""
        identity = self._verifier.verify(token)
        self._count(identity)
        return identity

    def verify_again(self, identity: Identity) -> None:
        """As `verify`, of a token that was verified before."""
        self._verifier.verify_again(identity)
        self._count(identity)

    def _count(self, identity: Identity) -> None:
        now_us = self._clock.now_us()
        free_at_us = max(self._free_at_us.get(identity.name, 0.0), now_us)
        early_us = free_at_us - now_us - self._tolerance_us
        if early_us > 0:
            raise RateLimited(
                f"'{identity.name}' asks more than {1e6 / self._cost_us:g} times a second",
                where="DISSONANCE_CLIENT_REQUESTS_PER_S",
                fix="ask again after the seconds in Retry-After; put more rows into one request",
                retry_after_s=early_us / 1e6,
            )
        self._free_at_us[identity.name] = free_at_us + self._cost_us
        if len(self._free_at_us) > KEPT:
            self._free_at_us = {name: at_us for name, at_us in self._free_at_us.items() if at_us > now_us}
