"""Labels as they come in: checked, found their input, sealed. All of a request or none of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dissonance.contracts.api import Label, LabelsRequest
from dissonance.contracts.columns import derived_id
from dissonance.contracts.counts import counted
from dissonance.contracts.events import Labelled
from dissonance.contracts.ids import id_from_text, id_text
from dissonance.contracts.policy import Policy
from dissonance.contracts.schema import Scalar, Task
from dissonance.contracts.sealed import SealedRow
from dissonance.contracts.times import to_us
from dissonance.errors import InputError, MalformedBody, TooManyRows, UnknownClass, UnknownPrediction
from dissonance.ports.desk import Desk
from dissonance.roles.learner.decide import WITHDRAWN
from dissonance.security.rows import label_row_id, seal_rows

PRODUCER = "learner"
MAX_SOURCE_CHARACTERS = 100
SECOND_US = 1_000_000

AHEAD_US = 300_000_000
"""How far the clock of a sender may be ahead of ours. A label from the future could not be corrected until then."""


class _Read(NamedTuple):
    """One label that was checked: `named` is its prediction id, or None while only data subject and time are known."""

    named: bytes | None
    data_subject: bytes
    event_time_us: int
    class_index: int
    labelled_at_us: int


async def labelled(
    desk: Desk, task: Task, policy: Policy, body: LabelsRequest, *, second_look: bool = False
) -> Labelled:
    """The event, each label sealed under the key of the data subject whose prediction it labels.

    Raises `TooManyRows`, `MalformedBody`, `UnknownClass`, `UnknownPrediction`, `KeyDestroyed`, another `InputError`, or
    `EngineUnavailable`.
    """
    if len(body.labels) > policy.max_rows_per_request:
        raise TooManyRows(
            f"{len(body.labels)} labels; one request may hold {policy.max_rows_per_request}",
            where="labels",
            fix="send fewer labels a request",
        )
    if not body.labels:
        raise MalformedBody("there is no label", where="labels", fix="send at least one label")
    _check_source(body.source)
    now_us = desk.clock.now_us()
    read = [_read(desk, task, label, f"labels[{i}]", now_us) for i, label in enumerate(body.labels)]
    ids = await _predictions(desk, task, policy, read)
    stored = await desk.store.find(task.task_id, ids)
    if unknown := [i for i, prediction_id in enumerate(ids) if prediction_id not in stored]:
        raise UnknownPrediction(
            f"not stored: {len(unknown)} of {counted(len(ids), 'id')}, the first is {id_text(ids[unknown[0]])}",
            where=f"labels[{unknown[0]}].prediction_id",
            fix="a prediction made a moment ago may still be on its way: send all labels of this request again soon",
        )
    data_subjects = [stored[prediction_id].data_subject for prediction_id in ids]
    keys = await desk.keys.find(task.task_id, list(set(data_subjects)))
    sealed = seal_rows(
        keys,
        task.task_id,
        [label_row_id(prediction_id) for prediction_id in ids],
        data_subjects,
        [SealedRow(features=b"", label=each.class_index) for each in read],
        desk.randomness,
    )
    return Labelled(
        event_id=derived_id(
            "labelled",
            [
                f"{prediction_id.hex()}{each.class_index}{each.labelled_at_us}{second_look}"
                for prediction_id, each in zip(ids, read, strict=True)
            ],
        ),
        task_id=task.task_id,
        produced_at_us=now_us,
        producer=PRODUCER,
        prediction_ids=ids,
        data_subjects=data_subjects,
        labelled_at_us=[each.labelled_at_us for each in read],
        sealed=sealed,
        source=body.source,
        second_look=second_look,
    )


async def _predictions(desk: Desk, task: Task, policy: Policy, read: Sequence[_Read]) -> list[bytes]:
    """The prediction id of each label. Raises `UnknownPrediction` that names the first that has none."""
    late = [i for i, each in enumerate(read) if each.named is None]
    found = await desk.store.predictions_of(
        task.task_id,
        [read[i].data_subject for i in late],
        [read[i].event_time_us for i in late],
        policy.label_join_s * SECOND_US,
    )
    by_position = dict(zip(late, found, strict=True))
    ids = []
    for i, each in enumerate(read):
        prediction_id = each.named if each.named is not None else by_position[i]
        if prediction_id is None:
            raise UnknownPrediction(
                f"that data subject has no input up to {policy.label_join_s} s before the time given; "
                f"so for {sum(each is None for each in found)} of {counted(len(read), 'label')}",
                where=f"labels[{i}].data_subject",
                fix="give the event time of the input or a little later, or widen the policy's label_join_s",
            )
        ids.append(prediction_id)
    return ids


def class_index(task: Task, label: Scalar, where: str) -> int:
    """Index of a class; 1, 1.0 and true are told apart as JSON does. Raises `UnknownClass`."""
    for index, known in enumerate(task.classes):
        if known == label and isinstance(known, bool) == isinstance(label, bool):
            return index
    raise UnknownClass(
        "the label is not a class of the task",
        where=where,
        fix=f"the classes are {', '.join(repr(known) for known in task.classes)}",
    )


def _read(desk: Desk, task: Task, label: Label, where: str, now_us: int) -> _Read:
    named, data_subject, time_us = None, b"", 0
    if label.prediction_id is not None and label.data_subject is None and label.event_time is None:
        named = id_from_text(label.prediction_id, f"{where}.prediction_id")
    elif label.prediction_id is None and label.data_subject is not None and label.event_time is not None:
        if task.data_subject_column is None:
            raise InputError(
                "the rows of this task are about nobody in particular",
                where=f"{where}.data_subject",
                fix="name the prediction_id",
            )
        data_subject = desk.keys.data_subject_hash(task.task_id, str(label.data_subject))
        time_us = to_us(label.event_time, f"{where}.event_time")
    else:
        raise InputError(
            "a label names a prediction_id, or a data_subject and an event_time",
            where=where,
            fix="give one of the two, not both",
        )
    return _Read(named, data_subject, time_us, _class_of(task, label, where), _labelled_at(label, where, now_us))


def _class_of(task: Task, label: Label, where: str) -> int:
    if label.withdrawn == (label.label is not None):
        raise InputError(
            "a label is either given or withdrawn", where=f"{where}.label", fix="send a label, or withdrawn: true"
        )
    return WITHDRAWN if label.label is None else class_index(task, label.label, f"{where}.label")


def _labelled_at(label: Label, where: str, now_us: int) -> int:
    labelled_at_us = now_us if label.labelled_at is None else to_us(label.labelled_at, f"{where}.labelled_at")
    if labelled_at_us > now_us + AHEAD_US:
        raise InputError(
            "the label comes from the future",
            where=f"{where}.labelled_at",
            fix="set the clock right, or leave it out",
        )
    return labelled_at_us


def _check_source(source: str) -> None:
    if not 0 < len(source) <= MAX_SOURCE_CHARACTERS or not source.isprintable():
        raise InputError(
            "the source is not a short line of text",
            where="source",
            fix=f"send 1 to {MAX_SOURCE_CHARACTERS} printable characters, or leave it out",
        )
