"""The keys that a proposer seals with, also while the store of keys is away (ADR 40).

Keys it has used lately the store's adapter remembers. For a data subject it sees for the first time it takes one of the
spare keys that it reserved while the store was there; rows sealed with it name it by its id, and the critic settles
whose it is once the store is back (`roles.spares`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

from dissonance.contracts.events import Predicted
from dissonance.contracts.sealed import SealedRow
from dissonance.errors import DissonanceError, EngineError, EngineUnavailable
from dissonance.ports.breaker import Breaker
from dissonance.ports.clock import Clock, Randomness
from dissonance.ports.keys import DataKey, DataSubjectHash, DataSubjectKeys, SpareId
from dissonance.ports.limits import within
from dissonance.roles.proposer.ask import erased
from dissonance.roles.spares import settled
from dissonance.security.key_cache import CACHED_US
from dissonance.security.rows import open_rows
from dissonance.security.spare_rows import marked, spare_of, unmarked
from dissonance.telemetry.metrics import Metrics

STORE = "keys database"
LIMIT_S = 2.0
"""Seconds that a batch waits for the store of keys before it goes on without."""

FRESH_S = CACHED_US / 1e6
"""A key that was read within so many seconds is used without asking whether it was destroyed since (ADR 8)."""

ASK_EVERY_S = 0.5
TOP_UP_EVERY_S = 5.0
RESERVED_AT_ONCE = 500
SPARES_RENEWED_US = 30 * 86_400 * 1_000_000
"""Spare keys are given back and replaced after so long: the store forgets unused ones some time after."""

T = TypeVar("T")


class KeysAtHand(NamedTuple):
    """`spares`: ids, by data subject, of the keys that are spare ones. `out_of_reach`: no key can be had now."""

    keys: dict[DataSubjectHash, DataKey]
    spares: Mapping[DataSubjectHash, SpareId] = {}
    out_of_reach: frozenset[DataSubjectHash] = frozenset()

    def refusal(self, data_subjects: Iterable[DataSubjectHash]) -> DissonanceError | None:
        """Why rows about these cannot be answered; None when they can."""
        missing = [each for each in data_subjects if each not in self.keys]
        if not missing:
            return None
        if self.out_of_reach.intersection(missing):
            return EngineUnavailable(
                "the store of keys is away, and no spare key is left for a data subject that is new",
                where=STORE,
                fix="ask again after the seconds in Retry-After, with the same Idempotency-Key",
            )
        return erased()

    def named(self, sealed: Sequence[bytes], data_subjects: Sequence[DataSubjectHash]) -> list[bytes]:
        """The sealed rows; those under spare keys say under which."""
        if not self.spares:
            return list(sealed)
        ids = [self.spares.get(data_subject) for data_subject in data_subjects]
        return [blob if each is None else marked(blob, each) for blob, each in zip(sealed, ids, strict=True)]


class _Spare(NamedTuple):
    spare_id: SpareId
    key: DataKey


class KeyRing:
    """Safe for one event loop. `spare_keys`: how many are held ready."""

    def __init__(
        self,
        keys: DataSubjectKeys,
        clock: Clock,
        randomness: Randomness,
        breaker: Breaker,
        metrics: Metrics,
        *,
        spare_keys: int,
    ) -> None:
        self._store = keys
        self._clock = clock
        self._randomness = randomness
        self._breaker = breaker
        self._metrics = metrics
        self._spare_keys = spare_keys
        self._pool: dict[SpareId, DataKey] = {}
        self._pool_since_us = 0
        self._used: dict[tuple[str, DataSubjectHash], _Spare] = {}
        self._turned = asyncio.Event()

    async def obtain(self, task_id: str, data_subjects: Sequence[DataSubjectHash]) -> KeysAtHand:
        """A key for each that is not erased, as far as there is one. They differ. Raises `SealBroken`."""
        fresh = self._store.remembered(task_id, data_subjects, FRESH_S)
        if len(fresh) == len(data_subjects):
            return KeysAtHand(fresh)
        if self._breaker.admits():
            with suppress(EngineUnavailable):
                return KeysAtHand(await self._asked(self._store.obtain(task_id, data_subjects)))
        return self._without_store(task_id, data_subjects)

    async def opened(self, event: Predicted) -> list[SealedRow | None]:
        """The rows of an answer that was given before; None where the data subject was erased since.

        Raises `EngineUnavailable` when a key of it cannot be had now.
        """
        if self._breaker.admits():
            with suppress(EngineUnavailable):
                event, keys = await self._asked(self._settled(event))
                return _opened(event, keys)
        keys = self._store.remembered(event.task_id, event.data_subjects)
        used = {spare.spare_id: spare.key for spare in self._used.values()}
        for blob, data_subject in zip(event.sealed, event.data_subjects, strict=True):
            spare_id = spare_of(blob)
            if spare_id is not None:
                keys.pop(data_subject, None)
                if spare_id in used:
                    keys[data_subject] = used[spare_id]
        if refusal := KeysAtHand(keys, {}, frozenset(event.data_subjects)).refusal(event.data_subjects):
            raise refusal
        return _opened(event, keys)

    async def watch(self) -> None:
        """Hold spare keys ready, and ask for the store while it is away; for ever, and at its end give back what was
        not used."""
        try:
            while True:
                with suppress(EngineError):
                    await self._look()
                    await self._top_up()
                self._turned.clear()
                every_s = TOP_UP_EVERY_S if self._breaker.admits() else ASK_EVERY_S
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._turned.wait(), every_s)
        finally:
            unused, self._pool = list(self._pool), {}
            with suppress(EngineError):
                if unused and self._breaker.admits():
                    await within(LIMIT_S, STORE, self._store.release(unused))

    async def _look(self) -> None:
        if not self._breaker.admits():
            await within(LIMIT_S, STORE, self._store.ready())
            self._used.clear()  # the critic settles them; from here on the store says which key is whose
            self._breaker.succeeded()

    async def _top_up(self) -> None:
        now_us = self._clock.now_us()
        if self._pool and now_us - self._pool_since_us > SPARES_RENEWED_US:
            unused, self._pool = list(self._pool), {}
            await self._asked(self._store.release(unused))
        if not self._pool:
            self._pool_since_us = now_us
        if len(self._pool) <= self._spare_keys // 2:
            while (wanted := self._spare_keys - len(self._pool)) > 0:
                self._pool |= await self._asked(self._store.reserve(min(wanted, RESERVED_AT_ONCE)))
        self._metrics.spare_keys.set(len(self._pool))

    async def _asked(self, call: Coroutine[Any, Any, T]) -> T:
        """Raises `EngineUnavailable`, and from then on the store is not asked before it is there again."""
        try:
            return await within(LIMIT_S, STORE, call)
        except EngineUnavailable:
            self._breaker.failed()
            self._turned.set()
            raise

    async def _settled(self, event: Predicted) -> tuple[Predicted, dict[DataSubjectHash, DataKey]]:
        event = await settled(self._store, event, self._randomness)
        return event, await self._store.find(event.task_id, list(set(event.data_subjects)))

    def _without_store(self, task_id: str, data_subjects: Sequence[DataSubjectHash]) -> KeysAtHand:
        keys = self._store.remembered(task_id, data_subjects)
        spares, out_of_reach = dict[bytes, bytes](), set[bytes]()
        for data_subject in [each for each in data_subjects if each not in keys]:
            name = (task_id, data_subject)
            if name not in self._used and self._pool:
                spare_id = next(iter(self._pool))
                self._used[name] = _Spare(spare_id, self._pool.pop(spare_id))
                self._metrics.spare_keys_used.inc()
            if name in self._used:
                spares[data_subject], keys[data_subject] = self._used[name]
            else:
                out_of_reach.add(data_subject)
        self._metrics.spare_keys.set(len(self._pool))
        return KeysAtHand(keys, spares, frozenset(out_of_reach))


def _opened(event: Predicted, keys: Mapping[DataSubjectHash, DataKey]) -> list[SealedRow | None]:
    sealed = [unmarked(blob) for blob in event.sealed]
    return open_rows(keys, event.task_id, event.prediction_ids, event.data_subjects, sealed)
