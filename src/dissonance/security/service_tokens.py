"""Tokens by which the system's own parts know each other: short-lived, and renewed before they expire."""

from __future__ import annotations

from threading import Lock

from dissonance.security.identity import MICROSECONDS, Clock
from dissonance.security.permissions import ANY_TASK
from dissonance.security.tokens import TokenIssuer

LIFETIME_S = 600.0  # seconds; what is stolen is of use for no longer
RENEWED_AFTER = 0.5  # share of its life after which a token is not handed out any more


class ServiceToken:
    """One holder's token, for every task. Thread-safe.

    >>> def header(token: ServiceToken) -> str:
    ...     return f"Bearer {token()}"
    """

    def __init__(
        self, issuer: TokenIssuer, clock: Clock, *, subject: str, grant: str, lifetime_s: float = LIFETIME_S
    ) -> None:
        self._issuer = issuer
        self._clock = clock
        self._subject = subject
        self._grant = grant
        self._lifetime_s = lifetime_s
        self._lock = Lock()
        self._token = ""
        self._renew_at_us = 0

    def __call__(self) -> str:
        """A token with at least half of its life before it. Raises `InputError` for an unknown grant."""
        with self._lock:
            now_us = self._clock.now_us()
            if now_us >= self._renew_at_us:
                self._token = self._issuer.issue(
                    self._grant, subject=self._subject, tasks=[ANY_TASK], lifetime_s=self._lifetime_s
                )
                self._renew_at_us = now_us + round(self._lifetime_s * RENEWED_AFTER * MICROSECONDS)
            return self._token
