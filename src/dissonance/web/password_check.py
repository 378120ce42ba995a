"""Whether a password is somebody's, one attempt at a time, with a pause for those that fail (ADR 66).

Passwords are what people choose, so they can be guessed: while a name or an address pauses, not even a right one is
looked at. That differs from tokens (`web.lockout`), and so do the counts: who fails here is not put off there.
"""

from __future__ import annotations

import asyncio

from dissonance.ports.clock import Clock
from dissonance.ports.logins import LoginStore
from dissonance.security.passwords import NOBODYS, is_password
from dissonance.security.people import NAME, Person
from dissonance.web.few_at_once import FewAtOnce
from dissonance.web.lockout import Lockout

MOST_WAITING = 16
"""Attempts that may be there at once: each takes a third of a second, and 64 MiB, when it is its turn."""


class PasswordCheck:
    """`nobodys`: compared with where nobody has the name, so that this takes as long."""

    def __init__(self, store: LoginStore, clock: Clock, nobodys: str = NOBODYS) -> None:
        self._store = store
        self._lockout = Lockout(clock)
        self._nobodys = nobodys
        self._few = FewAtOnce(1, MOST_WAITING)

    async def person(self, address: str, name: str, password: str) -> Person | None:
        """None where it is not theirs. Raises `LockedOut` while name or address pause, `EngineUnavailable`, or
        `Overloaded` where too many wait."""
        # One by one, or many at once would each be the first.
        async with self._few.place():
            self._lockout.require_guess(address, name)
            person = await self._store.person(name) if NAME.fullmatch(name) else None
            kept = person.password if person is not None else self._nobodys
            if await asyncio.to_thread(is_password, kept, password) and person is not None:
                return person
            self._lockout.failed(address, name)
            return None
