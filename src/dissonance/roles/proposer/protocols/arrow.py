"""`/v1/tasks/{task}/predict` in columns: Arrow in, Arrow out, or one of the two."""

from __future__ import annotations

from functools import partial

import msgspec
import pyarrow as pa
from starlette.requests import Request
from starlette.responses import Response

from dissonance.contracts.ids import id_text
from dissonance.contracts.schema import Scalar, Task
from dissonance.decisions.tensors import BYTES, datatype_of
from dissonance.roles.arrivals import Arrivals, require_row_count
from dissonance.roles.catalogue import TaskContext
from dissonance.roles.column_arrivals import arrivals_of_table
from dissonance.roles.proposer.ask import Answered, IdempotencyKey
from dissonance.roles.proposer.decide import answers
from dissonance.roles.proposer.keys import idempotency_key
from dissonance.roles.role import Workplace
from dissonance.roles.serving import Opinion, Serving
from dissonance.web.arrow_bodies import arrow_reply, read_table

PROBABILITY = "probability_"


async def read_columns(
    place: Workplace, request: Request, task: str
) -> tuple[TaskContext, Arrivals, IdempotencyKey | None]:
    """Raises `MalformedBody`, `UnsupportedMediaType`, or an `InputError` that names row and field."""
    context = await place.catalogue.by_name(task)
    table = await read_table(request, partial(require_row_count, context))
    arrivals = arrivals_of_table(context, table, place.keys, place.clock.now_us())
    return context, arrivals, idempotency_key(request.scope, context, await request.body())


def columns_reply(context: TaskContext, serving: Serving, answered: Answered, opinion: Opinion | None) -> Response:
    """`prediction_id`, `answer`, one column of probabilities a class; `doubt` and `dissonance` where asked for. What a
    `PredictReply` says once is in the metadata of the schema."""
    task = context.task
    told = _told(task)
    columns = {
        "prediction_id": pa.array([id_text(each) for each in answered.prediction_ids]),
        "answer": pa.array([told[index] for index in answers(answered.probabilities.tolist())]),
    }
    for number, name in enumerate(probability_names(task)):
        columns[name] = pa.array(answered.probabilities[:, number])
    if opinion is not None:
        columns["doubt"] = pa.array(1.0 - opinion.confidences)
        columns["dissonance"] = pa.array(opinion.dissonances)
    said_once = {
        "task": task.name,
        "model_version": str(serving.version),
        "model_digest": answered.model_digest,
        "classes": msgspec.json.encode(task.classes).decode(),
    }
    return arrow_reply(pa.table(columns).replace_schema_metadata(said_once))


def probability_names(task: Task) -> list[str]:
    """In the task's class order; as JSON where two classes look alike as text (1 and "1")."""
    names = [PROBABILITY + str(scalar) for scalar in task.classes]
    if len(set(names)) == len(names):
        return names
    return [PROBABILITY + msgspec.json.encode(scalar).decode() for scalar in task.classes]


def _told(task: Task) -> list[Scalar]:
    """A column has one type: classes of several kinds are told as text."""
    if datatype_of(task.classes) == BYTES:
        return [str(scalar) for scalar in task.classes]
    return list(task.classes)
