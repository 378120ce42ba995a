"""HTTP of the proposer: answers, whole cycles, and which models there are."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from dissonance.contracts.api import (
    Cycle,
    CyclesReply,
    ModelReply,
    ModelsReply,
    PredictReply,
    RowsRequest,
)
from dissonance.contracts.ids import id_text
from dissonance.contracts.times import to_text
from dissonance.errors import (
    EngineUnavailable,
    IdempotencyConflict,
    KeyDestroyed,
    ModelNotFound,
    Overloaded,
    TimedOut,
    UnknownTask,
)
from dissonance.ports.registry import ModelRole, ModelVersion
from dissonance.roles.arrivals import ROW_PROBLEMS, Arrivals, arrivals_of
from dissonance.roles.catalogue import TaskContext
from dissonance.roles.proposer.ask import Answered, Ask, IdempotencyKey
from dissonance.roles.proposer.decide import answers
from dissonance.roles.proposer.handle import Proposer
from dissonance.roles.proposer.keys import idempotency_key
from dissonance.roles.proposer.plain import PlainPredict
from dissonance.roles.proposer.protocols.arrow import columns_reply, read_columns
from dissonance.roles.proposer.replies import predict_reply
from dissonance.roles.proposer.waiting import Stored
from dissonance.roles.role import Workplace
from dissonance.roles.serving import doubt_of
from dissonance.security.permissions import Permission
from dissonance.web.arrow_bodies import ARROW, comes_as_arrow, wants_arrow
from dissonance.web.bodies import decoded, json_reply, read_bytes
from dissonance.web.routes import ProtectedRouter

ANSWER_PROBLEMS = (*ROW_PROBLEMS, KeyDestroyed, IdempotencyConflict, Overloaded)


def routes(place: Workplace, proposer: Proposer) -> ProtectedRouter:
    router = ProtectedRouter()
    stored = Stored(place.bus, place.store)

    @router.protected(
        "POST",
        "/v1/tasks/{task}/predict",
        permission=Permission.PREDICT,
        body=RowsRequest,
        reply=PredictReply,
        problems=ANSWER_PROBLEMS,
        direct=PlainPredict(place, proposer),
        other_bodies=[ARROW],
        other_replies=[ARROW],
    )
    async def predict(request: Request, task: str, contradict: bool = False) -> Response:
        """Answer rows; the answers are recorded before they are sent. `contradict=true` adds doubt and dissonance."""
        read = read_columns if comes_as_arrow(request) else _read
        context, arrivals, key = await read(place, request, task)
        answered = await proposer.answer(Ask(context, *arrivals, key))
        serving = await place.catalogue.serving(context.task, answered.model_digest)
        opinion = doubt_of(serving, arrivals.features, answered.probabilities) if contradict else None
        if wants_arrow(request):
            return columns_reply(context, serving, answered, opinion)
        return json_reply(predict_reply(context, serving, answered, opinion))

    @router.protected(
        "POST",
        "/v1/tasks/{task}/run_once",
        permission=Permission.CYCLE,
        body=RowsRequest,
        reply=CyclesReply,
        problems=(*ANSWER_PROBLEMS, TimedOut),
    )
    async def run_once(request: Request, task: str) -> Response:
        """Take rows through the whole cycle; answered when they are in the experience store."""
        context, arrivals, key = await _read(place, request, task)
        answered = await proposer.answer(Ask(context, *arrivals, key))
        await stored(context.task.task_id, answered.prediction_ids)
        return json_reply(await _cycles_reply(place, context, answered))

    @router.protected(
        "GET",
        "/v1/tasks/{task}/models",
        permission=Permission.MODELS,
        reply=ModelsReply,
        problems=(UnknownTask, EngineUnavailable, ModelNotFound),
    )
    async def models(request: Request, task: str) -> Response:
        """Every version of proposer and critic, newest first, and the one that answers here now."""
        context = await place.catalogue.by_name(task)
        serving = await place.catalogue.production(context.task)
        listed = [
            _model_reply(version)
            for role in ModelRole
            for version in await asyncio.to_thread(place.registry.versions, context.task.task_id, role)
        ]
        return json_reply(ModelsReply(task, serving.version, listed))

    return router


async def _read(place: Workplace, request: Request, task: str) -> tuple[TaskContext, Arrivals, IdempotencyKey | None]:
    context = await place.catalogue.by_name(task)
    data = await read_bytes(request)
    arrivals = arrivals_of(context, decoded(data, RowsRequest).rows, place.keys, place.clock.now_us())
    return context, arrivals, idempotency_key(request.scope, context, data)


async def _cycles_reply(place: Workplace, context: TaskContext, answered: Answered) -> CyclesReply:
    serving = await place.catalogue.serving(context.task, answered.model_digest)
    outcomes = await place.store.outcomes(context.task.task_id, answered.prediction_ids)
    classes = context.task.classes
    cycles = []
    probabilities = answered.probabilities.tolist()
    for prediction_id, answer, p in zip(answered.prediction_ids, answers(probabilities), probabilities, strict=True):
        outcome = outcomes[prediction_id]
        cycles.append(
            Cycle(
                prediction_id=id_text(prediction_id),
                answer=classes[answer],
                probabilities=p,
                doubt=1.0 - outcome.confidence,
                dissonance=outcome.dissonance,
                verdict=outcome.verdict,
                reason=outcome.reason,
            )
        )
    return CyclesReply(task=context.task.name, model_version=serving.version, cycles=cycles)


def _model_reply(version: ModelVersion) -> ModelReply:
    return ModelReply(
        role=version.role.value,
        version=version.version,
        digest=version.digest,
        created_at=to_text(version.created_at_us),
        metrics=version.metrics,
        parent=version.parent,
        in_production=version.in_production,
    )
