"""HTTP of the learner: labels come in."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from dissonance.contracts.api import Label, LabelsReply, LabelsRequest
from dissonance.contracts.columns import derived_id, pieces
from dissonance.contracts.events import Labelled
from dissonance.contracts.ids import id_from_text, id_text
from dissonance.contracts.schema import Scalar, Task
from dissonance.contracts.sealed import SealedRow
from dissonance.contracts.times import to_us
from dissonance.errors import (
    EngineUnavailable,
    InputError,
    KeyDestroyed,
    MalformedBody,
    TooManyRows,
    UnknownClass,
    UnknownPrediction,
    UnknownTask,
    WrongType,
)
from dissonance.roles.role import Workplace
from dissonance.security.permissions import Permission
from dissonance.security.rows import label_row_id, seal_rows
from dissonance.web.bodies import json_reply, read_body
from dissonance.web.routes import ProtectedRouter

PRODUCER = "learner"
MAX_SOURCE_CHARACTERS = 100

AHEAD_US = 300_000_000
"""How far the clock of a sender may be ahead of ours. A label from the future could not be corrected until then."""


def routes(place: Workplace) -> ProtectedRouter:
    router = ProtectedRouter()

    @router.protected(
        "POST",
        "/v1/tasks/{task}/labels",
        permission=Permission.LABEL,
        body=LabelsRequest,
        reply=LabelsReply,
        problems=(
            UnknownTask,
            UnknownPrediction,
            UnknownClass,
            WrongType,
            TooManyRows,
            KeyDestroyed,
            EngineUnavailable,
        ),
    )
    async def labels(request: Request, task: str) -> Response:
        """Take labels by prediction id: all of them or none. Repeats are harmless; the latest `labelled_at` wins."""
        context = await place.catalogue.by_name(task)
        body = await read_body(request, LabelsRequest)
        if len(body.labels) > context.policy.max_rows_per_request:
            raise TooManyRows(
                f"{len(body.labels)} labels; one request may hold {context.policy.max_rows_per_request}",
                where="labels",
                fix="send fewer labels a request",
            )
        if not body.labels:
            raise MalformedBody("there is no label", where="labels", fix="send at least one label")
        event = await labelled(place, context.task, body)
        await place.bus.publish(list(pieces(event)))
        return json_reply(LabelsReply(task, event.rows))

    return router


async def labelled(place: Workplace, task: Task, body: LabelsRequest) -> Labelled:
    """The event, each label sealed under the key of the data subject whose prediction it labels."""
    now_us = place.clock.now_us()
    _check_source(body.source)
    ids = [id_from_text(label.prediction_id, f"labels[{i}].prediction_id") for i, label in enumerate(body.labels)]
    classes = [class_index(task, label.label, f"labels[{i}].label") for i, label in enumerate(body.labels)]
    times = [_labelled_at(label, f"labels[{i}].labelled_at", now_us) for i, label in enumerate(body.labels)]
    stored = await place.store.find(task.task_id, ids)
    if unknown := [i for i, prediction_id in enumerate(ids) if prediction_id not in stored]:
        raise UnknownPrediction(
            f"{len(unknown)} of {len(ids)} ids are not stored, the first is {id_text(ids[unknown[0]])}",
            where=f"labels[{unknown[0]}].prediction_id",
            fix="a prediction made a moment ago may still be on its way: send all labels of this request again soon",
        )
    data_subjects = [stored[prediction_id].data_subject for prediction_id in ids]
    keys = await place.keys.find(task.task_id, list(set(data_subjects)))
    sealed = seal_rows(
        keys,
        task.task_id,
        [label_row_id(prediction_id) for prediction_id in ids],
        data_subjects,
        [SealedRow(features=b"", label=index) for index in classes],
        place.randomness,
    )
    return Labelled(
        event_id=derived_id("labelled", [f"{a.hex()}{b}{c}" for a, b, c in zip(ids, classes, times, strict=True)]),
        task_id=task.task_id,
        produced_at_us=now_us,
        producer=PRODUCER,
        prediction_ids=ids,
        data_subjects=data_subjects,
        labelled_at_us=times,
        sealed=sealed,
        source=body.source,
    )


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


def _labelled_at(label: Label, where: str, now_us: int) -> int:
    labelled_at_us = now_us if label.labelled_at is None else to_us(label.labelled_at, where)
    if labelled_at_us > now_us + AHEAD_US:
        raise InputError("the label comes from the future", where=where, fix="set the clock right, or leave it out")
    return labelled_at_us


def _check_source(source: str) -> None:
    if not 0 < len(source) <= MAX_SOURCE_CHARACTERS or not source.isprintable():
        raise InputError(
            "the source is not a short line of text",
            where="source",
            fix=f"send 1 to {MAX_SOURCE_CHARACTERS} printable characters, or leave it out",
        )
