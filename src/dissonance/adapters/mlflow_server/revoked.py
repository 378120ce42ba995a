"""What is revoked, as MLflow's server follows it: it asks the store, by the connection that it has to the same server.

Other processes hear of it on the bus (ADR 52); this one has none, and so is late by what lies between two questions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from sqlalchemy import URL, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from dissonance.ports.clock import Clock
from dissonance.security.identity import MICROSECONDS
from dissonance.security.revocations import REMEMBERED_US, CredentialList, Revocation, Revoked

ASK_EVERY_US = 2 * MICROSECONDS
PATIENCE_S = 2

CHANGES = text("SELECT changes FROM credential_changes")
REVOCATIONS = text(
    "SELECT what, value, revoked_at_us, revoked_by, reason FROM revocations WHERE revoked_at_us >= :since_us"
)


class Listed(NamedTuple):
    """`changes`: how many there were until then."""

    changes: int
    revocations: list[Revocation]


Read = Callable[[int, int], Listed | None]
"""How many changes are known, and since when (microseconds) revocations are remembered; None where nothing is new, or
nobody answers: what is known goes on."""


class Following:
    """Not for several threads at once."""

    def __init__(self, read: Read, clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._changes = -1
        self._asked_us: int | None = None

    def news(self) -> CredentialList | None:
        """None while there is none; asks at most once in `ASK_EVERY_US`."""
        now_us = self._clock.now_us()
        if self._asked_us is not None and now_us - self._asked_us < ASK_EVERY_US:
            return None
        self._asked_us = now_us
        listed = self._read(self._changes, now_us - REMEMBERED_US)
        if listed is None:
            return None
        self._changes = listed.changes
        return CredentialList(listed.revocations)


def reader(url: URL) -> Read:
    """Of the database that the credentials are in. Before its first migration nothing can have been revoked."""
    engine = create_engine(url, pool_size=1, pool_pre_ping=True, connect_args={"connect_timeout": PATIENCE_S})

    def read(known: int, since_us: int) -> Listed | None:
        try:
            with engine.connect() as connection:
                changes = int(connection.execute(CHANGES).scalar_one())
                if changes == known:
                    return None
                rows = connection.execute(REVOCATIONS, {"since_us": since_us})
                return Listed(changes, [_revocation(*row) for row in rows])
        except SQLAlchemyError:
            return None

    return read


def _revocation(what: str, value: str, revoked_at_us: int, by: str, reason: str) -> Revocation:
    return Revocation(what=Revoked(what), value=value, revoked_at_us=revoked_at_us, by=by, reason=reason)
