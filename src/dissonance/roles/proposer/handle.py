"""Requests in, answers out: no answer leaves before the broker has the event that records it (design section 4)."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import msgspec
import numpy as np

from dissonance.contracts import codec
from dissonance.contracts.columns import concatenated, derived_id, pieces
from dissonance.contracts.events import CANARY_ARM, PRODUCTION_ARM, Predicted
from dissonance.contracts.ids import IdSource
from dissonance.contracts.sealed import SealedRow
from dissonance.errors import DissonanceError, IdempotencyConflict, KeyDestroyed, MalformedEvent
from dissonance.ports.bus import Bus
from dissonance.ports.clock import Clock, Randomness
from dissonance.ports.keys import DataSubjectKeys
from dissonance.ports.store import IdempotencyStore, IdempotentAnswer
from dissonance.roles.catalogue import Catalogue, TaskContext
from dissonance.roles.proposer.batching import Batcher
from dissonance.roles.proposer.decide import falls_on_canary, shares
from dissonance.roles.serving import Arms, Matrix, Serving
from dissonance.security.rows import open_rows, probabilities_matrix, seal_rows

IN_LOOP_ROWS = 256
"""Fewer rows than this are computed in the event loop: a thread would cost more than it frees."""

PRODUCER = "proposer"


class IdempotencyKey(NamedTuple):
    """`key_hash`: see `decide.idempotency_hash`; `body_digest`: SHA-256 of the body. 32 bytes each."""

    key_hash: bytes
    body_digest: bytes


class Ask(NamedTuple):
    """One request of n rows. `features` (n, d); the lists have length n."""

    context: TaskContext
    features: Matrix
    event_times_us: list[int]
    data_subjects: list[bytes]
    key: IdempotencyKey | None = None


class Answered(NamedTuple):
    """`probabilities` (n, k), in the task's class order; `model_digest` is the proposer that answered."""

    prediction_ids: list[bytes]
    probabilities: Matrix
    model_digest: str


class _Given(NamedTuple):
    """What one request gets: p (n, k) of the model that answers, and of its shadow where it has one."""

    probabilities: Matrix
    model_digest: str
    arm: str
    propensity: float
    shadow: Matrix | None = None
    shadow_digest: str = ""


class Proposer:
    """Answers asks in batches, one line of batches per task."""

    def __init__(
        self,
        catalogue: Catalogue,
        bus: Bus,
        keys: DataSubjectKeys,
        store: IdempotencyStore,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._catalogue = catalogue
        self._bus = bus
        self._keys = keys
        self._store = store
        self._clock = clock
        self._randomness = randomness
        self._ids = IdSource(clock, randomness)
        self._batchers: dict[str, Batcher[Ask, Answered | DissonanceError]] = {}

    async def answer(self, ask: Ask) -> Answered:
        """A durable answer.

        Raises `EngineUnavailable` (nothing was answered: ask again), `IdempotencyConflict`, `KeyDestroyed`,
        `ModelNotFound` or `ModelRefused`.
        """
        task_id = ask.context.task.task_id
        batcher = self._batchers.setdefault(task_id, Batcher(self._answer_all))
        result = await batcher.submit(ask, len(ask.features))
        if isinstance(result, DissonanceError):
            raise result
        return result

    async def drain(self) -> None:
        await asyncio.gather(*(batcher.drain() for batcher in self._batchers.values()))

    async def _answer_all(self, asks: list[Ask]) -> list[Answered | DissonanceError]:
        """All asks are of one task."""
        context = asks[-1].context
        arms = await self._catalogue.arms(context.task)
        features = np.vstack([ask.features for ask in asks]) if len(asks) > 1 else asks[0].features
        answered = await _probabilities(arms.production, features)
        others = await self._others(arms, asks, features) if arms.other is not None else None
        data_subjects = list({data_subject for ask in asks for data_subject in ask.data_subjects})
        keys = await self._keys.obtain(context.task.task_id, data_subjects)

        results: list[Answered | DissonanceError] = []
        events: list[Predicted | None] = []
        for position, (start, end) in enumerate(shares([len(ask.features) for ask in asks])):
            ask = asks[position]
            if any(data_subject not in keys for data_subject in ask.data_subjects):
                results.append(_erased())
                events.append(None)
                continue
            given = _given(arms, answered[start:end], others[position] if others is not None else None)
            event = self._event(ask, given, keys)
            results.append(Answered(event.prediction_ids, given.probabilities, given.model_digest))
            events.append(event)
        to_publish = await self._settle_repeats(asks, events, results)
        await self._publish(to_publish)
        return results

    async def _others(self, arms: Arms, asks: list[Ask], features: Matrix) -> list[Matrix | None]:
        """What the other model says of each ask: of those on the canary, or of all when it is production's shadow."""
        assert arms.other is not None
        wanted = [arms.share == 0.0 or self._on_canary(ask, arms.share) for ask in asks]
        spans = shares([len(ask.features) for ask in asks])
        rows = [features[start:end] for (start, end), want in zip(spans, wanted, strict=True) if want]
        if not rows:
            return [None] * len(asks)
        probabilities = await _probabilities(arms.other, np.vstack(rows))
        parts = iter(np.split(probabilities, np.cumsum([len(part) for part in rows])[:-1]))
        return [next(parts) if want else None for want in wanted]

    def _on_canary(self, ask: Ask, share: float) -> bool:
        """A request is answered by one model whole: the data subject of its first row decides (ADR 28)."""
        if ask.context.task.data_subject_column is None:
            return falls_on_canary(self._randomness.token(8), share)
        return falls_on_canary(ask.data_subjects[0], share)

    def _event(self, ask: Ask, given: _Given, keys: dict[bytes, bytes]) -> Predicted:
        n = len(ask.features)
        ids = [self._ids.next() for _ in range(n)]
        answers = np.ascontiguousarray(given.probabilities)
        rows = [
            SealedRow(features=features.tobytes(), probabilities=p.tobytes())
            for features, p in zip(np.ascontiguousarray(ask.features), answers, strict=True)
        ]
        if given.shadow is not None:
            shadows = np.ascontiguousarray(given.shadow)
            rows = [msgspec.structs.replace(row, shadow=p.tobytes()) for row, p in zip(rows, shadows, strict=True)]
        now_us = self._clock.now_us()
        return Predicted(
            event_id=ids[0].hex() if ask.key is None else ask.key.key_hash.hex(),
            task_id=ask.context.task.task_id,
            produced_at_us=now_us,
            producer=PRODUCER,
            prediction_ids=ids,
            data_subjects=ask.data_subjects,
            event_times_us=ask.event_times_us,
            processing_times_us=[now_us] * n,
            sealed=seal_rows(keys, ask.context.task.task_id, ids, ask.data_subjects, rows, self._randomness),
            model_digest=given.model_digest,
            policy_digest=ask.context.policy_digest,
            canary_arms=[given.arm] * n,
            propensities=[given.propensity] * n,
            shadow_digest=given.shadow_digest,
        )

    async def _settle_repeats(
        self, asks: list[Ask], events: list[Predicted | None], results: list[Answered | DissonanceError]
    ) -> list[Predicted]:
        """Put the earlier answer in place of a repeated ask's; returns the events to publish.

        An earlier answer is published once more, since its first publication may have been cut short; its rows
        have the same prediction ids, so the gate and the store take them once.
        """
        first: dict[bytes, int] = {}
        answers: dict[bytes, IdempotentAnswer] = {}
        for position, (ask, event) in enumerate(zip(asks, events, strict=True)):
            if ask.key is not None and event is not None and ask.key.key_hash not in first:
                first[ask.key.key_hash] = position
                answers[ask.key.key_hash] = IdempotentAnswer(*ask.key, codec.encode(event))
        if not first:
            return [event for event in events if event is not None]
        now_us = self._clock.now_us()
        earlier = await self._store.reserve(asks[0].context.task.task_id, list(answers.values()), now_us)
        for position, ask in enumerate(asks):
            if ask.key is None or events[position] is None:
                continue
            key_hash = ask.key.key_hash
            if key_hash not in earlier and first[key_hash] == position:
                continue
            kept = earlier.get(key_hash, answers[key_hash])
            if kept.body_digest != ask.key.body_digest:
                events[position], results[position] = None, _conflict()
            else:
                events[position], results[position] = await self._earlier(ask, kept)
        return [event for event in events if event is not None]

    async def _earlier(self, ask: Ask, kept: IdempotentAnswer) -> tuple[Predicted | None, Answered | DissonanceError]:
        event = codec.decode(kept.answer)
        if not isinstance(event, Predicted):
            raise MalformedEvent("a kept answer is not a prediction", where="idempotency", fix="use another key")
        keys = await self._keys.find(event.task_id, list(set(event.data_subjects)))
        rows = open_rows(keys, event.task_id, event.prediction_ids, event.data_subjects, event.sealed)
        opened = [row for row in rows if row is not None]
        if len(opened) < len(rows):
            return None, _erased()
        probabilities = probabilities_matrix(opened, len(ask.context.task.classes))
        return event, Answered(event.prediction_ids, probabilities, event.model_digest)

    async def _publish(self, events: list[Predicted]) -> None:
        """One message per model that answered, cut where it grows too large."""
        by_model: dict[tuple[str, str, str], list[Predicted]] = {}
        for event in events:
            key = (event.model_digest, event.policy_digest, event.shadow_digest)
            by_model.setdefault(key, []).append(event)
        batches = [
            concatenated(group, derived_id(PRODUCER, [event.event_id for event in group]))
            for group in by_model.values()
        ]
        await self._bus.publish([piece for batch in batches for piece in pieces(batch)])


async def _probabilities(serving: Serving, features: Matrix) -> Matrix:
    if len(features) <= IN_LOOP_ROWS:
        return serving.proposer.probabilities(features)
    return await asyncio.to_thread(serving.proposer.probabilities, features)


def _given(arms: Arms, answered: Matrix, other: Matrix | None) -> _Given:
    """`other` is None where the other model was not asked."""
    production = arms.production.proposer_digest
    if arms.other is None or other is None:
        return _Given(answered, production, PRODUCTION_ARM, 1.0 - arms.share)
    if arms.share == 0.0:
        return _Given(answered, production, PRODUCTION_ARM, 1.0, other, arms.other.proposer_digest)
    return _Given(other, arms.other.proposer_digest, CANARY_ARM, arms.share, answered, production)


def _erased() -> KeyDestroyed:
    return KeyDestroyed(
        "the data subject of a row was erased", where="rows", fix="leave the rows of erased data subjects out"
    )


def _conflict() -> IdempotencyConflict:
    return IdempotencyConflict(
        "the key was used with another body before",
        where="header Idempotency-Key",
        fix="use a new key for a new body; repeat a body only to the letter",
    )
