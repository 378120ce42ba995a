"""The Open Inference Protocol, version 2, whatever it travels in: metadata, readiness, inference."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from dissonance import __version__
from dissonance.contracts.ids import id_text
from dissonance.contracts.open_inference import ModelMetadata, Parameters, ServerMetadata, TensorMetadata
from dissonance.contracts.schema import Task
from dissonance.decisions.tensor_rows import fields_of, row_count, rows_of
from dissonance.decisions.tensors import BYTES, FP64, Tensor, datatype_of
from dissonance.errors import (
    EngineUnavailable,
    IdempotencyConflict,
    InputError,
    KeyDestroyed,
    Overloaded,
    VersionNotServed,
)
from dissonance.roles.arrivals import ROW_PROBLEMS, arrivals_of, require_row_count
from dissonance.roles.proposer.handle import Proposer
from dissonance.roles.proposer.keys import bound_key
from dissonance.roles.proposer.protocols.asking import (
    Answer,
    answer_rows,
    require_answers,
    require_same,
    require_served,
    versions_of,
)
from dissonance.roles.role import Workplace
from dissonance.web.health import Health

PLATFORM = "dissonance"
EXTENSIONS = ["binary_tensor_data"]
ANSWER, PROBABILITIES, PREDICTION_ID = "answer", "probabilities", "prediction_id"
OUTPUTS = (ANSWER, PROBABILITIES, PREDICTION_ID)
INFER_PROBLEMS = (*ROW_PROBLEMS, KeyDestroyed, IdempotencyConflict, Overloaded, VersionNotServed)
HINTS = frozenset({"content_type"})
"""Parameters that say how a client would like to see a tensor, which changes nothing here."""


class Inference(NamedTuple):
    """`outputs` are those asked for, in that order."""

    version: str
    outputs: list[Tensor]
    parameters: Parameters


class Request(NamedTuple):
    """`version` "" is any; `outputs` None is all. `body` is what came, which an idempotency key is bound to."""

    task: str
    version: str
    tensors: Sequence[Tensor]
    outputs: Sequence[str] | None
    client: str
    key: str | None
    body: bytes


class OpenInference:
    """A task is a model here, the proposer's versions are its versions."""

    def __init__(self, place: Workplace, proposer: Proposer) -> None:
        self._place = place
        self._proposer = proposer

    async def metadata(self, task: str, version: str = "") -> ModelMetadata:
        """Raises `UnknownTask`, `VersionNotServed`, `EngineUnavailable` or a `ModelError`."""
        context = await self._place.catalogue.by_name(task)
        arms = await self._place.catalogue.arms(context.task)
        require_served(arms, task, version)
        inputs = [TensorMetadata(field.name, field.datatype, [-1]) for field in fields_of(context.task)]
        return ModelMetadata(task, versions_of(arms), PLATFORM, inputs, _outputs_of(context.task))

    async def infer(self, request: Request) -> Inference:
        """Raises what `INFER_PROBLEMS` lists."""
        place, context = self._place, await self._place.catalogue.by_name(request.task)
        wanted = _wanted(request.outputs)
        require_row_count(context, row_count(request.tensors))
        rows = rows_of(request.tensors, context.task)
        arrivals = arrivals_of(context, rows, place.keys, place.clock.now_us())
        if request.version:
            require_answers(await place.catalogue.arms(context.task), context, request.version, arrivals)
        key = None if request.key is None else bound_key(request.key, request.client, context, request.body)
        answer = await answer_rows(place, self._proposer, context, arrivals, key)
        require_same(request.task, request.version, answer.serving)  # it may have moved meanwhile
        tensors = _tensors(context.task, answer)
        return Inference(
            str(answer.serving.version),
            [tensors[name] for name in wanted],
            {
                "classes": msgspec.json.encode(context.task.classes).decode(),
                "model_digest": answer.answered.model_digest,
            },
        )


def server_metadata() -> ServerMetadata:
    return ServerMetadata(PLATFORM, __version__, EXTENSIONS)


async def require_ready(health: Health) -> None:
    """Raises `EngineUnavailable` with what is not ready."""
    readiness = await health.readiness()
    for name, role in readiness.roles.items():
        if not role.ready:
            raise EngineUnavailable(role.why, where=name, fix=role.fix)


def check_parameters(given: Mapping[str, Any], known: Collection[str], where: str) -> None:
    """Raises `InputError` for one that would change the answer and is not known here."""
    for name in given:
        if name not in known and name not in HINTS:
            shown = f"the parameters are {', '.join(sorted(known))}" if known else "leave it out"
            raise InputError("there is no such parameter", where=f"{where}, parameters, {name[:60]}", fix=shown)


def _wanted(names: Sequence[str] | None) -> Sequence[str]:
    for name in names or ():
        if name not in OUTPUTS:
            raise InputError(
                f"there is no output '{name[:60]}'", where="outputs", fix=f"the outputs are {', '.join(OUTPUTS)}"
            )
    return names or OUTPUTS


def _outputs_of(task: Task) -> list[TensorMetadata]:
    return [
        TensorMetadata(ANSWER, datatype_of(task.classes), [-1]),
        TensorMetadata(PROBABILITIES, FP64, [-1, len(task.classes)]),
        TensorMetadata(PREDICTION_ID, BYTES, [-1]),
    ]


def _tensors(task: Task, answer: Answer) -> dict[str, Tensor]:
    rows = len(answer.classes)
    datatype = datatype_of(task.classes)
    told = [str(scalar) for scalar in task.classes] if datatype == BYTES else list(task.classes)
    probabilities = answer.answered.probabilities
    return {
        ANSWER: Tensor(ANSWER, datatype, (rows,), [told[index] for index in answer.classes]),
        PROBABILITIES: Tensor(PROBABILITIES, FP64, probabilities.shape, probabilities.ravel().tolist()),
        PREDICTION_ID: Tensor(
            PREDICTION_ID, BYTES, (rows,), [id_text(each) for each in answer.answered.prediction_ids]
        ),
    }
