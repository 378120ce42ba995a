"""How fast each caller may ask: the generic cell rate algorithm (ITU-T I.371), one number a caller."""

from __future__ import annotations

from typing import Protocol

from dissonance.errors import RateLimited
from dissonance.ports.clock import Clock
from dissonance.security.identity import Identity

BURST_S = 1.0
"""A caller that was quiet may ask for what so many seconds allow at once."""

KEPT = 10_000
"""Callers that are remembered; those that owe nothing are forgotten first."""


class Verifier(Protocol):
    """`security.verifier.TokenVerifier`, as much of it as admission needs, and what it may have to wait for."""

    def verify(self, token: str) -> Identity: ...

    def verify_again(self, identity: Identity) -> None: ...

    def remembers(self, identity: Identity) -> bool: ...

    def at_hand(self, token: str) -> bool:
        """Whether `verify` has what it needs; when not, `prepare` comes first."""
        ...

    async def prepare(self, token: str) -> None:
        """Get what `verify` needs and has not, such as new keys of an issuer."""
        ...


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

    def remembers(self, identity: Identity) -> bool:
        return self._verifier.remembers(identity)

    def at_hand(self, token: str) -> bool:
        return self._verifier.at_hand(token)

    async def prepare(self, token: str) -> None:
        await self._verifier.prepare(token)

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
