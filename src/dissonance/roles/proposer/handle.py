"""Requests in, answers out: no answer leaves before the broker has the event that records it (design section 4)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np

from dissonance.errors import DissonanceError, ModelFailed
from dissonance.ports.bus import Outbox
from dissonance.ports.clock import Clock, Randomness
from dissonance.roles.catalogue import Catalogue
from dissonance.roles.proposer.ask import Answered, Ask, Batch, Outcome, encode_asks, without_refused
from dissonance.roles.proposer.batching import Batcher
from dissonance.roles.proposer.decide import Share, falls_on_canary, shares
from dissonance.roles.proposer.keyring import KeyRing, KeysAtHand
from dissonance.roles.proposer.measuring import MeasuredModels
from dissonance.roles.proposer.recording import Given, Recorder, Seals, given_to, ids_of, messages
from dissonance.roles.proposer.repeats import Repeats
from dissonance.roles.proposer.reservations import Reservations
from dissonance.roles.serving import Arms, Matrix
from dissonance.security.rows import seal_rows
from dissonance.telemetry.metrics import Metrics


class Proposer:
    """Answers asks in batches, one line of batches per task. `seal`: how rows are sealed."""

    def __init__(
        self,
        catalogue: Catalogue,
        outbox: Outbox,
        keys: KeyRing,
        reservations: Reservations,
        models: MeasuredModels,
        clock: Clock,
        randomness: Randomness,
        metrics: Metrics,
        *,
        seal: Seals = seal_rows,
    ) -> None:
        self._catalogue = catalogue
        self._outbox = outbox
        self._keys = keys
        self._models = models
        self._randomness = randomness
        self._metrics = metrics
        self._recorder = Recorder(clock, randomness, seal)
        self._repeats = Repeats(reservations, keys)
        self._batchers: dict[str, Batcher[Ask, Outcome]] = {}

    async def answer(self, ask: Ask) -> Answered:
        """A durable answer.

        Raises an `InputError` for values that cannot be answered, `Overloaded` or `EngineUnavailable` (nothing was
        answered: ask again), `IdempotencyConflict`, `KeyDestroyed`, `ModelNotFound` or `ModelRefused`.
        """
        outcome = await self._batcher(ask).submit(ask, ask.rows)
        if isinstance(outcome, DissonanceError):
            raise outcome
        return outcome

    def put(self, ask: Ask, on_outcome: Callable[[Outcome | BaseException], None]) -> None:
        """As `answer`, without waiting: what that would return or raise of its batch `on_outcome` gets. It raises
        nothing itself.

        Raises `Overloaded` or `EngineUnavailable` when the ask is not taken.
        """
        self._batcher(ask).put(ask, ask.rows, on_outcome)

    async def drain(self) -> None:
        await asyncio.gather(*(batcher.drain() for batcher in self._batchers.values()))

    def _batcher(self, ask: Ask) -> Batcher[Ask, Outcome]:
        task_id = ask.context.task.task_id
        batcher = self._batchers.get(task_id)
        if batcher is None:
            batcher = self._batchers[task_id] = Batcher(self._answer_all)
        return batcher

    async def _answer_all(self, asks: list[Ask]) -> list[Outcome]:
        """All asks are of one task."""
        batch, refused = encode_asks(asks)
        task = asks[0].context.task
        people = {data_subject for ask in batch.asks for data_subject in ask.data_subjects}
        keys = await self._keys.obtain(task.task_id, list(people))
        batch, refusals = without_refused(batch, keys.refusal) if len(keys.keys) < len(people) else (batch, [])
        outcomes = await self._answer_batch(batch, keys) if batch.asks else []
        predicted = sum(len(outcome.prediction_ids) for outcome in outcomes if isinstance(outcome, Answered))
        self._metrics.rows_predicted.labels(task=task.name).inc(predicted)
        if not refused and not refusals:
            return outcomes
        answered, others = iter(outcomes), iter(refusals or [None] * len(batch.asks))
        return [
            refused[position] if position in refused else next(others) or next(answered)
            for position in range(len(asks))
        ]

    async def _answer_batch(self, batch: Batch, keys: KeysAtHand) -> list[Outcome]:
        arms = await self._catalogue.arms(batch.asks[-1].context.task)
        spans = shares([ask.rows for ask in batch.asks])
        given = await self._give(arms, batch, spans)
        events = self._recorder.record(batch, spans, given, keys)
        ids = ids_of(events, spans)
        outcomes: list[Outcome] = [
            Answered(prediction_ids, each.probabilities, each.model_digest)
            for prediction_ids, each in zip(ids, given, strict=True)
        ]
        if len(events) == len(batch.asks):
            events = await self._repeats.settle(batch.asks, events, outcomes)
        await self._outbox.publish(messages(events))
        return outcomes

    async def _give(self, arms: Arms, batch: Batch, spans: list[Share]) -> list[Given]:
        """Where one of two models fails, the other is at hand and answers alone."""
        task_id = batch.asks[-1].context.task.task_id
        try:
            answered = await self._models.probabilities(task_id, arms.production, batch.features)
        except ModelFailed:
            if arms.other is None:
                raise
            return await self._give(Arms(arms.other), batch, spans)
        try:
            others = await self._others(arms, batch, spans) if arms.other is not None else [None] * len(spans)
        except ModelFailed:
            return await self._give(Arms(arms.production), batch, spans)
        return [given_to(arms, answered[start:end], other) for (start, end), other in zip(spans, others, strict=True)]

    async def _others(self, arms: Arms, batch: Batch, spans: list[Share]) -> list[Matrix | None]:
        """What the other model says of each ask: of those on the canary, or of all when it is production's shadow."""
        assert arms.other is not None
        wanted = [arms.share == 0.0 or self._on_canary(ask, arms.share) for ask in batch.asks]
        rows = [batch.features[start:end] for (start, end), want in zip(spans, wanted, strict=True) if want]
        if not rows:
            return [None] * len(spans)
        task_id = batch.asks[-1].context.task.task_id
        probabilities = await self._models.probabilities(task_id, arms.other, np.vstack(rows))
        parts = iter(np.split(probabilities, np.cumsum([len(part) for part in rows])[:-1]))
        return [next(parts) if want else None for want in wanted]

    def _on_canary(self, ask: Ask, share: float) -> bool:
        """A request is answered by one model whole: the data subject of its first row decides (ADR 28)."""
        if ask.context.task.data_subject_column is None:
            return falls_on_canary(self._randomness.token(8), share)
        return falls_on_canary(ask.data_subjects[0], share)
