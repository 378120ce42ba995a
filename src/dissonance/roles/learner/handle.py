"""Judged and labelled in; stored, asked about, joined, and said so. Doing it twice changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dissonance.contracts.columns import derived_id
from dissonance.contracts.counts import counted
from dissonance.contracts.events import Event, Experienced, Judged, Labelled, LabelsJoined
from dissonance.contracts.sealed import SealedRow
from dissonance.errors import UnknownPrediction
from dissonance.ports.clock import Clock
from dissonance.ports.keys import DataSubjectKeys
from dissonance.ports.labels import AskedAs, LabelRequest, LabelRows
from dissonance.ports.store import Experience, Store
from dissonance.roles.catalogue import Catalogue
from dissonance.roles.learner.asking import Asking
from dissonance.roles.learner.decide import said_by
from dissonance.security.rows import label_row_id, open_rows

PRODUCER = "learner"


class _Joinable(NamedTuple):
    """A label with the input it is about; both could be opened."""

    experience: Experience
    row: SealedRow
    label: SealedRow
    sealed: bytes
    labelled_at_us: int


class Learner:
    def __init__(self, catalogue: Catalogue, store: Store, keys: DataSubjectKeys, clock: Clock, asking: Asking) -> None:
        self._catalogue = catalogue
        self._store = store
        self._keys = keys
        self._clock = clock
        self._asking = asking

    async def store(self, events: Sequence[Event]) -> list[Event]:
        """Judged rows into the experience store, all that is queued in one go; labels are asked for some of them."""
        by_task: dict[str, list[Judged]] = {}
        for event in events:
            if isinstance(event, Judged):
                by_task.setdefault(event.task_id, []).append(event)
        return [await self._keep(task_id, group) for task_id, group in by_task.items()]

    async def join(self, events: Sequence[Event]) -> list[Event]:
        """Labels beside their experience. Labels of an erased data subject have nothing to join and are dropped."""
        return [await self._join(event) for event in events if isinstance(event, Labelled)]

    async def _keep(self, task_id: str, group: list[Judged]) -> Experienced:
        first_stored = await self._store.record(group)
        await self._asking.about(task_id, group)
        return Experienced(
            event_id=derived_id("experienced", [event.event_id for event in group]),
            task_id=task_id,
            produced_at_us=self._clock.now_us(),
            producer=PRODUCER,
            prediction_ids=[row for event in group for row in event.prediction_ids],
            event_times_us=[row for event in group for row in event.event_times_us],
            first_stored=first_stored,
        )

    async def _join(self, event: Labelled) -> LabelsJoined:
        stored = await self._store.find(event.task_id, event.prediction_ids)
        if missing := [prediction_id for prediction_id in event.prediction_ids if prediction_id not in stored]:
            raise UnknownPrediction(
                f"not stored: {counted(len(missing), 'labelled prediction')}, the first is {missing[0].hex()}",
                where="labels",
                fix="retention may have dropped them: drop the dead letter; else replay it",
            )
        joinable = await self._opened(event, [stored[prediction_id] for prediction_id in event.prediction_ids])
        policy = (await self._catalogue.by_id(event.task_id)).policy
        said = [said_by(each.row, each.label, policy.second_look_confidence) for each in joinable]
        waits = [each.surprising and not event.second_look for each in said]
        ids = [each.experience.prediction_id for each in joinable]
        await self._store.add_labels(
            event.task_id,
            LabelRows(
                prediction_ids=ids,
                sealed=[each.sealed for each in joinable],
                labelled_at_us=[each.labelled_at_us for each in joinable],
                right=[each.right for each in said],
                critic_right=[each.critic_right for each in said],
                shadow_right=[each.shadow_right for each in said],
                learnable=[not wait for wait in waits],
                source=event.source,
            ),
        )
        await self._store.settle_answered(event.task_id, ids)
        again = [self._second_look(each) for each, wait in zip(joinable, waits, strict=True) if wait]
        await self._store.ask(event.task_id, again)
        return LabelsJoined(
            event_id=derived_id("labels_joined", [event.event_id]),
            task_id=event.task_id,
            produced_at_us=self._clock.now_us(),
            producer=PRODUCER,
            prediction_ids=ids,
            event_times_us=[each.experience.event_time_us for each in joinable],
        )

    async def _opened(self, event: Labelled, experiences: list[Experience]) -> list[_Joinable]:
        keys = await self._keys.find(event.task_id, list(set(event.data_subjects)))
        rows = open_rows(
            keys, event.task_id, event.prediction_ids, event.data_subjects, [row.sealed for row in experiences]
        )
        label_ids = [label_row_id(prediction_id) for prediction_id in event.prediction_ids]
        labels = open_rows(keys, event.task_id, label_ids, event.data_subjects, event.sealed)
        return [
            _Joinable(experience, row, label, sealed, at_us)
            for experience, row, label, sealed, at_us in zip(
                experiences, rows, labels, event.sealed, event.labelled_at_us, strict=True
            )
            if row is not None and label is not None
        ]

    def _second_look(self, each: _Joinable) -> LabelRequest:
        """Asked once for a prediction and a class, however often that label comes."""
        experience = each.experience
        cause = [experience.prediction_id.hex(), str(each.label.label)]
        return LabelRequest(
            request_id=bytes.fromhex(derived_id(AskedAs.SECOND_LOOK, cause)),
            prediction_id=experience.prediction_id,
            data_subject=experience.data_subject,
            asked_as=AskedAs.SECOND_LOOK,
            propensity=0.0,
            random_propensity=0.0,
            event_time_us=experience.event_time_us,
            asked_at_us=self._clock.now_us(),
        )
