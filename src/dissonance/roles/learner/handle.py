"""Judged and labelled in; stored, joined, and said so. Storing twice changes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from dissonance.contracts.columns import derived_id
from dissonance.contracts.events import Event, Experienced, Judged, Labelled, LabelsJoined
from dissonance.errors import UnknownPrediction
from dissonance.ports.clock import Clock
from dissonance.ports.keys import DataSubjectKeys
from dissonance.ports.store import ExperienceStore
from dissonance.roles.learner.decide import is_right
from dissonance.security.rows import label_row_id, open_rows

PRODUCER = "learner"


class Learner:
    def __init__(self, store: ExperienceStore, keys: DataSubjectKeys, clock: Clock) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock

    async def store(self, events: Sequence[Event]) -> list[Event]:
        """Judged rows into the experience store, all that is queued in one go."""
        by_task: dict[str, list[Judged]] = {}
        for event in events:
            if isinstance(event, Judged):
                by_task.setdefault(event.task_id, []).append(event)
        return [
            Experienced(
                event_id=derived_id("experienced", [event.event_id for event in group]),
                task_id=task_id,
                produced_at_us=self._clock.now_us(),
                producer=PRODUCER,
                prediction_ids=[row for event in group for row in event.prediction_ids],
                event_times_us=[row for event in group for row in event.event_times_us],
                first_stored=await self._store.record(group),
            )
            for task_id, group in by_task.items()
        ]

    async def join(self, events: Sequence[Event]) -> list[Event]:
        """Labels beside their experience. Labels of an erased data subject have nothing to join and are dropped."""
        return [await self._join(event) for event in events if isinstance(event, Labelled)]

    async def _join(self, event: Labelled) -> LabelsJoined:
        stored = await self._store.find(event.task_id, event.prediction_ids)
        if missing := [prediction_id for prediction_id in event.prediction_ids if prediction_id not in stored]:
            raise UnknownPrediction(
                f"{len(missing)} labelled predictions are not stored, the first is {missing[0].hex()}",
                where="labels",
                fix="retention may have dropped them: drop the dead letter; else replay it",
            )
        keys = await self._keys.find(event.task_id, list(set(event.data_subjects)))
        experiences = [stored[prediction_id] for prediction_id in event.prediction_ids]
        rows = open_rows(
            keys, event.task_id, event.prediction_ids, event.data_subjects, [row.sealed for row in experiences]
        )
        labels = open_rows(
            keys,
            event.task_id,
            [label_row_id(prediction_id) for prediction_id in event.prediction_ids],
            event.data_subjects,
            event.sealed,
        )
        there = [i for i, (row, label) in enumerate(zip(rows, labels, strict=True)) if row and label]
        await self._store.add_labels(
            event.task_id,
            [event.prediction_ids[i] for i in there],
            [event.sealed[i] for i in there],
            [event.labelled_at_us[i] for i in there],
            [is_right(row, label) for row, label in zip(rows, labels, strict=True) if row and label],
            event.source,
        )
        return LabelsJoined(
            event_id=derived_id("labels_joined", [event.event_id]),
            task_id=event.task_id,
            produced_at_us=self._clock.now_us(),
            producer=PRODUCER,
            prediction_ids=[event.prediction_ids[i] for i in there],
            event_times_us=[experiences[i].event_time_us for i in there],
        )
