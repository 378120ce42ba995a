"""What the proposer is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from dissonance.decisions.json_rows import Values
from dissonance.errors import DissonanceError, InputError, KeyDestroyed
from dissonance.roles.catalogue import TaskContext
from dissonance.roles.serving import Matrix


class IdempotencyKey(NamedTuple):
    """`key_hash`: see `decide.idempotency_hash`; `body_digest`: SHA-256 of the body. 32 bytes each."""

    key_hash: bytes
    body_digest: bytes


class Ask(NamedTuple):
    """One request of n rows: `features` (n, d), or `values` that are still to be encoded, together with those of others
    in the batch. The lists have length n."""

    context: TaskContext
    features: Matrix | None
    event_times_us: list[int]
    data_subjects: list[bytes]
    key: IdempotencyKey | None = None
    values: Sequence[Values] = ()

    @property
    def rows(self) -> int:
        return len(self.data_subjects)


class Answered(NamedTuple):
    """`probabilities` (n, k), in the task's class order; `model_digest` is the proposer that answered."""

    prediction_ids: list[bytes]
    probabilities: Matrix
    model_digest: str


Outcome = Answered | DissonanceError
"""What one ask of a batch gets; its error is nobody else's."""


class Batch(NamedTuple):
    """Asks of one task that can be answered, with their rows one after the other in `features` (n, d)."""

    asks: list[Ask]
    features: Matrix


def encode_asks(asks: Sequence[Ask]) -> tuple[Batch, dict[int, DissonanceError]]:
    """Those that can be answered, and for each that cannot, by its position, why."""
    raw = [ask for ask in asks if ask.features is None]
    if len(raw) == len(asks):
        together = raw[0].context.json_rows.encode([row for ask in raw for row in ask.values])
        if together is not None:
            return Batch(list(asks), together), {}
    matrices: list[Matrix] = []
    kept: list[Ask] = []
    refused: dict[int, DissonanceError] = {}
    for position, ask in enumerate(asks):
        try:
            matrices.append(ask.features if ask.features is not None else _one_by_one(ask))
        except InputError as error:
            refused[position] = error
        else:
            kept.append(ask)
    width = len(asks[0].context.task.schema.features)
    features = np.vstack(matrices) if len(matrices) > 1 else matrices[0] if matrices else np.empty((0, width))
    return Batch(kept, features), refused


def _one_by_one(ask: Ask) -> Matrix:
    """Raises an `InputError` that names row and field."""
    return ask.context.encoder.encode(ask.context.json_rows.as_objects(ask.values))


def without_refused(
    batch: Batch, refusal: Callable[[Sequence[bytes]], DissonanceError | None]
) -> tuple[Batch, list[DissonanceError | None]]:
    """The asks about whose data subjects there is no `refusal`, and of each ask its own, None where there is none."""
    refusals = [refusal(ask.data_subjects) for ask in batch.asks]
    stays = [each is None for each in refusals]
    if all(stays):
        return batch, refusals
    rows = np.repeat(stays, [ask.rows for ask in batch.asks])
    return Batch([ask for ask, stay in zip(batch.asks, stays, strict=True) if stay], batch.features[rows]), refusals


def erased() -> KeyDestroyed:
    return KeyDestroyed(
        "the data subject of a row was erased", where="rows", fix="leave the rows of erased data subjects out"
    )
