"""What is revoked, followed inside MLflow's server: one number is asked for every `EVERY_S`, all of it when that is
another one (`roles.credential_following` does so elsewhere, and hears of it on the bus, which MLflow has not)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Event, Thread
from typing import Protocol

from dissonance.errors import EngineError
from dissonance.ports.clock import Clock
from dissonance.security.revocations import CredentialList

EVERY_S = 2.0
"""Seconds in which a revocation takes effect."""

_logger = logging.getLogger(__name__)


class Reading(Protocol):
    """`adapters.postgres.revoked.RevocationReading`."""

    def changes(self) -> int: ...

    def revoked(self, now_us: int) -> CredentialList: ...


class RevocationWatch:
    """Gives `use` every state of the list that it reads."""

    def __init__(self, reading: Reading, clock: Clock, use: Callable[[CredentialList], None]) -> None:
        self._reading = reading
        self._clock = clock
        self._use = use
        self._changes: int | None = None
        self._stop = Event()

    def look(self) -> None:
        """Raises `EngineError` while the database is away."""
        changes = self._reading.changes()
        if changes != self._changes:
            self._use(self._reading.revoked(self._clock.now_us()))
            self._changes = changes

    def start(self, every_s: float = EVERY_S) -> None:
        """Look now, so that nobody is let in before; then again and again, on a thread of its own. Raises as `look`."""
        self.look()
        Thread(target=self._follow, args=(every_s,), name="revocations", daemon=True).start()

    def stop(self) -> None:
        self._stop.set()

    def _follow(self, every_s: float) -> None:
        """While the database is away, which MLflow's tables are in, too, what is known has to do."""
        while not self._stop.wait(every_s):
            try:
                self.look()
            except EngineError as error:
                _logger.warning("the list of what is revoked cannot be read: %s", error.what)
