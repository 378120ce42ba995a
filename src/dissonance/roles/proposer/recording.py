"""The event that records answers: one a batch where one model answered it, and no ask has to be found again by key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from dissonance.contracts.columns import concatenated, derived_id, pieces
from dissonance.contracts.events import CANARY_ARM, PRODUCTION_ARM, Predicted
from dissonance.contracts.ids import IdSource
from dissonance.contracts.sealed import SealedRow
from dissonance.ports.clock import Clock, Randomness
from dissonance.roles.proposer.ask import Ask, Batch
from dissonance.roles.proposer.decide import Share
from dissonance.roles.proposer.keyring import KeysAtHand
from dissonance.roles.serving import Arms, Matrix
from dissonance.security.rows import seal_rows

PRODUCER = "proposer"


class Seals(Protocol):
    """`security.rows.seal_rows`."""

    def __call__(
        self,
        keys: dict[bytes, bytes],
        task_id: str,
        row_ids: Sequence[bytes],
        data_subjects: Sequence[bytes],
        rows: Sequence[SealedRow],
        randomness: Randomness,
    ) -> list[bytes]: ...


class Given(NamedTuple):
    """What one ask gets: p (n, k) of the model that answers, and of its shadow where it has one."""

    probabilities: Matrix
    model_digest: str
    arm: str
    propensity: float
    shadow: Matrix | None = None
    shadow_digest: str = ""


def given_to(arms: Arms, answered: Matrix, other: Matrix | None) -> Given:
    """`other` is None where the other model was not asked."""
    production = arms.production.proposer_digest
    if arms.other is None or other is None:
        return Given(answered, production, PRODUCTION_ARM, 1.0 - arms.share)
    if arms.share == 0.0:
        return Given(answered, production, PRODUCTION_ARM, 1.0, other, arms.other.proposer_digest)
    return Given(other, arms.other.proposer_digest, CANARY_ARM, arms.share, answered, production)


class Recorder:
    """Makes ids, seals rows, and puts together what is published."""

    def __init__(self, clock: Clock, randomness: Randomness, seal: Seals = seal_rows) -> None:
        self._clock = clock
        self._randomness = randomness
        self._ids = IdSource(clock, randomness)
        self._seal = seal

    def record(self, batch: Batch, spans: Sequence[Share], given: Sequence[Given], keys: KeysAtHand) -> list[Predicted]:
        """One event for all asks where that says all there is to say; else one for each, in order. `spans`: where the
        rows of each ask lie in the batch."""
        alike = len({(each.model_digest, each.arm, each.shadow_digest) for each in given}) == 1
        if alike and all(ask.key is None for ask in batch.asks):
            return [self._event(batch.asks, batch.features, _together(given), keys)]
        return [
            self._event([ask], batch.features[start:end], each, keys)
            for ask, each, (start, end) in zip(batch.asks, given, spans, strict=True)
        ]

    def _event(self, asks: Sequence[Ask], features: Matrix, given: Given, keys: KeysAtHand) -> Predicted:
        n, context, key = len(features), asks[-1].context, asks[0].key
        ids = self._ids.many(n)
        data_subjects = [data_subject for ask in asks for data_subject in ask.data_subjects]
        now_us = self._clock.now_us()
        rows = _rows(features, given.probabilities, given.shadow)
        sealed = self._seal(keys.keys, context.task.task_id, ids, data_subjects, rows, self._randomness)
        return Predicted(
            event_id=ids[0].hex() if key is None else key.key_hash.hex(),
            task_id=context.task.task_id,
            produced_at_us=now_us,
            producer=PRODUCER,
            prediction_ids=ids,
            data_subjects=data_subjects,
            event_times_us=[time_us for ask in asks for time_us in ask.event_times_us],
            processing_times_us=[now_us] * n,
            sealed=keys.named(sealed, data_subjects),
            model_digest=given.model_digest,
            policy_digest=context.policy_digest,
            canary_arms=[given.arm] * n,
            propensities=[given.propensity] * n,
            shadow_digest=given.shadow_digest,
        )


def ids_of(events: Sequence[Predicted], spans: Sequence[Share]) -> list[list[bytes]]:
    """The prediction ids of each ask, from what `Recorder.record` made of them."""
    if len(events) == len(spans):
        return [event.prediction_ids for event in events]
    return [events[0].prediction_ids[start:end] for start, end in spans]


def messages(events: Sequence[Predicted]) -> list[Predicted]:
    """One event per model that answered, cut where it grows too large."""
    by_model: dict[tuple[str, str, str], list[Predicted]] = {}
    for event in events:
        by_model.setdefault((event.model_digest, event.policy_digest, event.shadow_digest), []).append(event)
    batches = [
        concatenated(group, derived_id(PRODUCER, [event.event_id for event in group])) for group in by_model.values()
    ]
    return [piece for batch in batches for piece in pieces(batch)]


def _together(given: Sequence[Given]) -> Given:
    """Of asks that one model answered."""
    if len(given) == 1:
        return given[0]
    shadows = [each.shadow for each in given if each.shadow is not None]
    return given[0]._replace(
        probabilities=np.concatenate([each.probabilities for each in given]),
        shadow=np.concatenate(shadows) if shadows else None,
    )


def _rows(features: Matrix, probabilities: Matrix, shadow: Matrix | None) -> list[SealedRow]:
    inputs, answers = _cut(features), _cut(probabilities)
    if shadow is None:
        return [SealedRow(row, p) for row, p in zip(inputs, answers, strict=True)]
    return [SealedRow(row, p, shadow=s) for row, p, s in zip(inputs, answers, _cut(shadow), strict=True)]


def _cut(matrix: Matrix) -> list[bytes]:
    """The bytes of each row."""
    whole, width = matrix.tobytes(), 8 * matrix.shape[1]
    return [whole[start : start + width] for start in range(0, len(whole), width)]
