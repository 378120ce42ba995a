"""Rows of the bus: inputs that the gate admitted, with labels that came for them, as far back as the streams reach."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from dissonance.contracts.events import Judged, Labelled
from dissonance.contracts.schema import Task
from dissonance.contracts.sealed import SealedRow
from dissonance.contracts.times import to_text
from dissonance.contracts.topics import EventKind
from dissonance.contracts.verdicts import Verdict
from dissonance.decisions.decoding import decode_row
from dissonance.errors import InputError
from dissonance.ports.desk import Desk
from dissonance.ports.sources import SUBJECT_HASH
from dissonance.science.second_look import suspected
from dissonance.security.rows import features_matrix, label_row_id, open_rows

TOPIC = "topic:"
ADDRESS = "topic:labelled"
WITHDRAWN = -1


class _Input(NamedTuple):
    prediction_id: bytes
    data_subject: bytes
    event_time_us: int
    sealed: bytes


class _Label(NamedTuple):
    labelled_at_us: int
    sealed: bytes
    second_look: bool


class TopicRows:
    """`ports.sources.RowSource`. Reads, and takes nothing away: roles see the same events."""

    def __init__(self, desk: Desk, task: Task, address: str = ADDRESS) -> None:
        if address != ADDRESS:
            raise InputError(f"no rows come from '{address}'", where="--from", fix=f"the topic is {ADDRESS}")
        self._desk = desk
        self._task = task
        self.shown = address

    async def read(self, columns: Sequence[str]) -> pa.Table:
        """Of every input the latest label; withdrawn ones are none, and one that both models are confidently against
        waits for its second look, as everywhere. Raises `EngineUnavailable` or `SealBroken`."""
        inputs: dict[bytes, _Input] = {}
        labels: dict[bytes, _Label] = {}
        for event in await self._desk.bus.history((EventKind.JUDGED, EventKind.LABELLED), self._task.task_id):
            if isinstance(event, Judged):
                inputs.update(_admitted(event))
            elif isinstance(event, Labelled):
                _keep_latest(labels, event)
        ids = sorted(inputs.keys() & labels.keys())
        policy = await self._desk.store.policy(self._task.task_id)
        keys = await self._desk.keys.find(self._task.task_id, list({inputs[each].data_subject for each in ids}))
        return await asyncio.to_thread(
            self._table, columns, [inputs[i] for i in ids], [labels[i] for i in ids], keys,
            policy.second_look_confidence,
        )  # fmt: skip

    def _table(
        self,
        columns: Sequence[str],
        inputs: list[_Input],
        labels: list[_Label],
        keys: dict[bytes, bytes],
        confidence: float,
    ) -> pa.Table:
        task = self._task
        people = [each.data_subject for each in inputs]
        ids = [each.prediction_id for each in inputs]
        rows = open_rows(keys, task.task_id, ids, people, [each.sealed for each in inputs])
        given = open_rows(
            keys, task.task_id, [label_row_id(each) for each in ids], people, [each.sealed for each in labels]
        )
        records: list[dict[str, Any]] = []
        for each, row, label, how in zip(inputs, rows, given, labels, strict=True):
            if row is None or label is None or label.label == WITHDRAWN:
                continue
            if how.second_look or not _surprising(row, label.label, confidence):
                records.append(self._record(each, row, label.label))
        names = [name for name in (*columns, SUBJECT_HASH) if name in (records[0] if records else columns)]
        return pa.table({name: pa.array([record[name] for record in records]) for name in names})

    def _record(self, given: _Input, row: SealedRow, label: int) -> dict[str, Any]:
        task = self._task
        features = features_matrix([row], len(task.schema.features))[0].tolist()
        record = {**decode_row(task.schema, features), task.target: task.classes[label]}
        if task.time_column is not None:
            record[task.time_column] = to_text(given.event_time_us)
        return {**record, SUBJECT_HASH: given.data_subject}


def _admitted(event: Judged) -> dict[bytes, _Input]:
    rows = zip(event.prediction_ids, event.data_subjects, event.event_times_us, event.sealed, strict=True)
    return {
        row[0]: _Input(*row) for row, verdict in zip(rows, event.verdicts, strict=True) if verdict is Verdict.ADMITTED
    }


def _keep_latest(labels: dict[bytes, _Label], event: Labelled) -> None:
    for each, at_us, sealed in zip(event.prediction_ids, event.labelled_at_us, event.sealed, strict=True):
        if each not in labels or labels[each].labelled_at_us < at_us:
            labels[each] = _Label(at_us, sealed, event.second_look)


def _surprising(row: SealedRow, label: int, confidence: float) -> bool:
    p, q = np.frombuffer(row.probabilities), np.frombuffer(row.critic)
    return bool(len(p) and len(q) and suspected(p[None, :], q[None, :], np.array([label]), confidence)[0])
