"""Predicted in, contradicted out: every answer gets the critic's c, q and D.

Doubting is a pure function of the row and the models, so a message that comes twice does no harm.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from dissonance.contracts.columns import concatenated, derived_id, pieces
from dissonance.contracts.events import Contradicted, Event, Predicted
from dissonance.contracts.sealed import SealedRow
from dissonance.ports.clock import Clock, Randomness
from dissonance.ports.keys import DataSubjectKeys
from dissonance.roles.catalogue import Catalogue
from dissonance.roles.serving import Opinion, Serving, doubt_of
from dissonance.roles.spares import settled
from dissonance.security.rows import features_matrix, open_rows, probabilities_matrix, seal_rows

PRODUCER = "critic"


class Critic:
    def __init__(self, catalogue: Catalogue, keys: DataSubjectKeys, clock: Clock, randomness: Randomness) -> None:
        self._catalogue = catalogue
        self._keys = keys
        self._clock = clock
        self._randomness = randomness

    async def handle(self, events: Sequence[Event]) -> list[Event]:
        """One batch per task and answering model, however many messages its rows came in."""
        groups: dict[tuple[str, str, str, str], list[Predicted]] = {}
        for event in events:
            if isinstance(event, Predicted):
                key = (event.task_id, event.model_digest, event.policy_digest, event.shadow_digest)
                groups.setdefault(key, []).append(event)
        contradicted: list[Event] = []
        for group in groups.values():
            batch = concatenated(group, derived_id(PRODUCER, [event.event_id for event in group]))
            contradicted.extend(pieces(await self._contradict(batch)))
        return contradicted

    async def _contradict(self, event: Predicted) -> Contradicted:
        task = (await self._catalogue.by_id(event.task_id)).task
        serving = await self._catalogue.serving(task, event.model_digest)
        event = await settled(self._keys, event, self._randomness)
        keys = await self._keys.find(event.task_id, list(set(event.data_subjects)))
        rows = open_rows(keys, event.task_id, event.prediction_ids, event.data_subjects, event.sealed)
        there = [position for position, row in enumerate(rows) if row is not None]
        opened = [row for row in rows if row is not None]
        confidences, dissonances = np.zeros(len(rows)), np.zeros(len(rows))
        sealed = list(event.sealed)
        if opened:
            opinion = self._doubt(serving, opened, len(task.schema.features), len(task.classes))
            confidences[there], dissonances[there] = opinion.confidences, opinion.dissonances
            resealed = seal_rows(
                keys,
                event.task_id,
                [event.prediction_ids[i] for i in there],
                [event.data_subjects[i] for i in there],
                [
                    msgspec.structs.replace(row, critic=q.tobytes())
                    for row, q in zip(opened, np.ascontiguousarray(opinion.critic), strict=True)
                ],
                self._randomness,
            )
            for position, blob in zip(there, resealed, strict=True):
                sealed[position] = blob
        columns = {name: getattr(event, name) for name in Predicted.__struct_fields__}
        columns |= {"sealed": sealed, "producer": PRODUCER, "produced_at_us": self._clock.now_us()}
        return Contradicted(
            **columns,
            confidences=confidences.tolist(),
            dissonances=dissonances.tolist(),
            critic_digest=serving.critic_digest,
        )

    @staticmethod
    def _doubt(serving: Serving, rows: list[SealedRow], width: int, classes: int) -> Opinion:
        return doubt_of(serving, features_matrix(rows, width), probabilities_matrix(rows, classes))
