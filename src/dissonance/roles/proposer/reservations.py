"""Idempotency keys, also while the store that keeps them is away (ADR 40).

The store decides while it is there. While it is away the broker does, within its window of repeated ids: the first
answer to a key is an event of its own, and whoever comes second gets that one back. The learner puts it into the store
afterwards. What this process reserved lately it remembers besides, so that a repetition of a key from before the outage
finds its answer here, if it comes to the same process.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from dissonance.contracts.events import AnswerKept
from dissonance.errors import EngineError, EngineUnavailable, MalformedEvent
from dissonance.ports.breaker import Breaker
from dissonance.ports.bus import Bus
from dissonance.ports.clock import Clock
from dissonance.ports.limits import within
from dissonance.ports.store import IdempotencyStore, IdempotentAnswer

STORE = "experience database"
LIMIT_S = 2.0
"""Seconds that a batch waits for the store, and for the broker in its place."""

ASK_EVERY_S = 0.5
REMEMBERED_BYTES = 32 * 2**20
PRODUCER = "proposer"

Kept = dict[bytes, IdempotentAnswer | EngineUnavailable]
"""By the key's hash: the answer that the key got before, or why nobody can tell whether it got one."""


class ReservesAnswers(IdempotencyStore, Protocol):
    """What is needed of a store."""

    async def ready(self) -> None: ...


class Reservations:
    """Safe for one event loop."""

    def __init__(self, store: ReservesAnswers, bus: Bus, clock: Clock, breaker: Breaker) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._breaker = breaker
        self._remembered: OrderedDict[tuple[str, bytes], IdempotentAnswer] = OrderedDict()
        self._bytes = 0
        self._failed = asyncio.Event()

    async def reserve(self, task_id: str, answers: Sequence[IdempotentAnswer]) -> Kept:
        """Keep these answers, each under a key of its own; what is returned of a key counts in place of its answer."""
        kept = await self._reserve(task_id, answers)
        for answer in answers:
            counts = kept.get(answer.key_hash, answer)
            if isinstance(counts, IdempotentAnswer):
                self._remember(task_id, counts)
        return kept

    async def watch(self) -> None:
        """Ask for the store while it is away, for ever."""
        while True:
            await self._failed.wait()
            while not self._breaker.admits():
                with suppress(EngineError):
                    await within(LIMIT_S, STORE, self._store.ready())
                    self._breaker.succeeded()
                    break
                await asyncio.sleep(ASK_EVERY_S)
            self._failed.clear()

    async def _reserve(self, task_id: str, answers: Sequence[IdempotentAnswer]) -> Kept:
        if self._breaker.admits():
            try:
                return {**await within(LIMIT_S, STORE, self._store.reserve(task_id, answers, self._clock.now_us()))}
            except EngineUnavailable:
                self._breaker.failed()
                self._failed.set()
        found = await asyncio.gather(*(self._without_store(task_id, answer) for answer in answers))
        return {answer.key_hash: each for answer, each in zip(answers, found, strict=True) if each is not None}

    async def _without_store(
        self, task_id: str, answer: IdempotentAnswer
    ) -> IdempotentAnswer | EngineUnavailable | None:
        remembered = self._remembered.get((task_id, answer.key_hash))
        if remembered is not None:
            return remembered
        event = AnswerKept(
            event_id=answer.key_hash.hex(),
            task_id=task_id,
            produced_at_us=self._clock.now_us(),
            producer=PRODUCER,
            key_hash=answer.key_hash,
            body_digest=answer.body_digest,
            answer=answer.answer,
        )
        try:
            earlier = await within(LIMIT_S, "NATS", self._bus.publish_once(event))
        except EngineUnavailable as error:
            return error
        if earlier is None:
            return None
        if not isinstance(earlier, AnswerKept):
            raise MalformedEvent("a kept answer is none", where="idempotency", fix="use another key")
        return IdempotentAnswer(earlier.key_hash, earlier.body_digest, earlier.answer)

    def _remember(self, task_id: str, answer: IdempotentAnswer) -> None:
        before = self._remembered.pop((task_id, answer.key_hash), None)
        self._remembered[task_id, answer.key_hash] = answer
        self._bytes += len(answer.answer) - (len(before.answer) if before is not None else 0)
        while self._bytes > REMEMBERED_BYTES:
            self._bytes -= len(self._remembered.popitem(last=False)[1].answer)
