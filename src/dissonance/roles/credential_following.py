"""What is revoked, and which API keys there are, in every process as it is in the store.

A change is told on the bus. Who did not hear it, since the bus was away or this process cut off, asks the store every
`EVERY_S` how often it was changed: one number; all is read only when that is another one. While both are away nothing
can be revoked either, and what was known last goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from dissonance.contracts.topics import EventKind
from dissonance.errors import EngineError, EngineUnavailable
from dissonance.ports.bus import Bus
from dissonance.ports.clock import Clock
from dissonance.ports.credentials import CredentialStore
from dissonance.security.revocations import REMEMBERED_US, CredentialList
from dissonance.telemetry.logs import log
from dissonance.telemetry.names import LogAction

EVERY_S = 2.0
"""Seconds in which a change takes effect that nobody told us of."""

AGAIN_S = 1.0
"""Seconds in which unknown API keys make us look once, however many there are."""

RECONNECT_S = 0.5

_logger = logging.getLogger(__name__)


class CredentialFollowing:
    """Gives `use` every state of the list that it reads."""

    def __init__(
        self,
        store: CredentialStore,
        bus: Bus,
        clock: Clock,
        use: Callable[[CredentialList], None],
        *,
        every_s: float = EVERY_S,
        reconnect_s: float = RECONNECT_S,
    ) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._use = use
        self._every_s = every_s
        self._reconnect_s = reconnect_s
        self._reading = asyncio.Lock()
        self._changes: int | None = None
        self._looked_us: int | None = None
        self._is_away = False

    async def read(self) -> None:
        """Raises `EngineUnavailable`."""
        async with self._reading:
            await self._read()

    async def refresh(self) -> None:
        """Read again, unless that was done just now; while the store is away what is known has to do."""
        async with self._reading:
            if self._looked_us is None or self._clock.now_us() - self._looked_us >= AGAIN_S * 1e6:
                await self._read_if_there()

    async def follow(self) -> None:
        """For ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._poll())

    async def _listen(self) -> None:
        while True:
            try:
                async with self._bus.watch([EventKind.CREDENTIALS_CHANGED]) as changes:
                    async for _ in changes:
                        async with self._reading:
                            await self._read_if_there()
            except EngineUnavailable:
                await asyncio.sleep(self._reconnect_s)  # the catalogue, which watches the same bus, says so

    async def _poll(self) -> None:
        while True:
            async with self._reading:
                await self._read_if_there()
            await asyncio.sleep(self._every_s)

    async def _read_if_there(self) -> None:
        try:
            await self._read()
        except EngineError as error:
            if not self._is_away:
                log(
                    _logger, LogAction.ENGINE_UNREACHABLE, logging.WARNING, why=f"the list of credentials: {error.what}"
                )
            self._is_away = True

    async def _read(self) -> None:
        self._looked_us = self._clock.now_us()
        changes = await self._store.credential_changes()
        if changes != self._changes:
            revocations = await self._store.revocations(self._looked_us - REMEMBERED_US)
            api_keys = await self._store.api_keys()
            self._use(CredentialList(revocations, api_keys))
            log(_logger, LogAction.CREDENTIALS_READ, changes=changes, revoked=len(revocations), api_keys=len(api_keys))
        self._changes, self._is_away = changes, False
