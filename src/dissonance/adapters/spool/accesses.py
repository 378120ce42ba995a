"""The audit trail on its way into the store: nobody waits for it, and while the store is away it waits on disk."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

import msgspec

from dissonance.adapters.spool.spool import Spool
from dissonance.contracts.accesses import Access, AccessBatch, read_batch
from dissonance.contracts.events import WHOLE_SYSTEM
from dissonance.errors import EngineError, StorageError
from dissonance.ports.accesses import AccessStore
from dissonance.ports.anchors import Anchors
from dissonance.ports.clock import Randomness
from dissonance.ports.limits import within
from dissonance.security.evidence import line_digest
from dissonance.telemetry.logs import log
from dissonance.telemetry.metrics import Metrics
from dissonance.telemetry.names import LogAction

EVERY_S = 1.0
LOOK_EVERY = 5
"""Times between two looks for what commands and processes that ended left on disk."""

LIMIT_S = 5.0
SPOOL_BYTES = 2**26
DRAINED_BYTES = 2**20
MOST_OF_BATCH = 2_000
"""Accesses of one link."""

_logger = logging.getLogger(__name__)


class Takes(Protocol):
    def __call__(self, *, everything: bool = False) -> list[Access]:
        """As `web.access_trail.AccessTrail.take`."""
        ...


class SpoolingAccesses:
    """Run `follow` in the background; `close` at the end writes down the rest. `by`: how people know this process."""

    def __init__(
        self,
        store: AccessStore,
        spool: Spool,
        anchors: Anchors,
        take: Takes,
        *,
        by: str,
        randomness: Randomness,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._spool = spool
        self._anchors = anchors
        self._take = take
        self._by = by
        self._randomness = randomness
        self._metrics = metrics
        self._in_hand: list[AccessBatch] = []

    async def follow(self) -> None:
        """For ever."""
        turn = 0
        while True:
            await self.flush()
            if turn % LOOK_EVERY == 0:
                await self.drain()
            turn += 1
            await asyncio.sleep(EVERY_S)

    async def close(self) -> None:
        await self.flush(everything=True)
        await self.drain()
        await asyncio.to_thread(self._spool.close)

    async def flush(self, *, everything: bool = False) -> None:
        """What was seen since the last time, into the store or onto the disk."""
        taken = self._take(everything=everything)
        parts = [taken[start : start + MOST_OF_BATCH] for start in range(0, len(taken), MOST_OF_BATCH)]
        self._in_hand += [self._batch(part) for part in parts]
        while self._in_hand:  # one that is cut short is written by the next call, under the same id
            if not await self._record(self._in_hand[0]):
                await self._put_on_disk(self._in_hand[0])
            self._in_hand.pop(0)

    async def drain(self) -> None:
        """What waits on disk, into the store, as far as that takes it."""
        try:
            await asyncio.to_thread(self._spool.take_over)
            while (chunk := await asyncio.to_thread(self._spool.oldest, DRAINED_BYTES)) is not None:
                batches = [batch for payload in chunk.payloads if (batch := read_batch(payload)) is not None]
                for batch in batches:
                    if not await self._record(batch):
                        return
                await asyncio.to_thread(self._spool.drained, chunk)
                damaged = chunk.damaged + len(chunk.payloads) - len(batches)
                if damaged:
                    self._lost(damaged, "a record on disk is damaged")
        except OSError as error:
            log(_logger, LogAction.ACCESSES_SPOOLED, logging.WARNING, why=error.strerror or str(error))

    def _batch(self, accesses: list[Access]) -> AccessBatch:
        return AccessBatch(batch_id=self._randomness.token(16).hex(), by=self._by, accesses=accesses)

    async def _record(self, batch: AccessBatch) -> bool:
        try:
            anchored = msgspec.structs.replace(batch, anchor=await asyncio.to_thread(self._last_anchor))
            await within(LIMIT_S, "the experience database", self._store.record_accesses(anchored))
        except EngineError:
            return False
        return True

    def _last_anchor(self) -> str:
        """Empty where there is none, or its disk is away."""
        try:
            return line_digest(self._anchors.last(WHOLE_SYSTEM))
        except StorageError:
            return ""

    async def _put_on_disk(self, batch: AccessBatch) -> None:
        try:
            await asyncio.to_thread(self._spool.append, [batch.evidence()])
            log(_logger, LogAction.ACCESSES_SPOOLED, accesses=len(batch.accesses))
        except OSError as error:
            self._lost(len(batch.accesses), error.strerror or str(error))

    def _lost(self, accesses: int, why: str) -> None:
        self._metrics.accesses_lost.inc(accesses)
        log(_logger, LogAction.ACCESSES_LOST, logging.ERROR, accesses=accesses, why=why)
