"""HTTP of the learner: labels come in, and are asked for."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from dissonance.contracts.api import LabelsReply, LabelsRequest
from dissonance.contracts.columns import pieces
from dissonance.contracts.label_api import AnswerRequest, LeaseReply, LeaseRequest, QueueReply, SettledReply
from dissonance.errors import (
    EngineUnavailable,
    InputError,
    KeyDestroyed,
    RequestNotHeld,
    TooManyRows,
    UnknownClass,
    UnknownPrediction,
    UnknownRequest,
    UnknownTask,
    WrongType,
)
from dissonance.ports.labels import RequestState
from dissonance.roles.learner.intake import labelled
from dissonance.roles.learner.requests import answer, lease, put_down, queue_status
from dissonance.roles.role import Workplace
from dissonance.security.permissions import Permission
from dissonance.web.admission import identity_of
from dissonance.web.bodies import json_reply, read_body
from dissonance.web.routes import ProtectedRouter

QUEUE = "/v1/tasks/{task}/label-requests"
LABEL_PROBLEMS = (
    UnknownTask,
    UnknownPrediction,
    UnknownClass,
    WrongType,
    InputError,
    TooManyRows,
    KeyDestroyed,
    EngineUnavailable,
)
HELD_PROBLEMS = (UnknownTask, UnknownRequest, RequestNotHeld, EngineUnavailable)


def routes(place: Workplace) -> ProtectedRouter:
    router = ProtectedRouter()
    _add_intake(router, place)
    _add_queue(router, place)
    return router


def _add_intake(router: ProtectedRouter, place: Workplace) -> None:
    @router.protected(
        "POST",
        "/v1/tasks/{task}/labels",
        permission=Permission.LABEL,
        body=LabelsRequest,
        reply=LabelsReply,
        problems=LABEL_PROBLEMS,
    )
    async def labels(request: Request, task: str) -> Response:
        """Take labels by prediction id, or by data subject and time: all of them or none. Repeats are harmless; the
        latest
        `labelled_at` wins, a withdrawal too."""
        context = await place.catalogue.by_name(task)
        body = await read_body(request, LabelsRequest)
        event = await labelled(place, context.task, context.policy, body)
        await place.bus.publish(list(pieces(event)))
        return json_reply(LabelsReply(task, event.rows))


def _add_queue(router: ProtectedRouter, place: Workplace) -> None:
    @router.protected(
        "POST",
        f"{QUEUE}/lease",
        permission=Permission.LABEL_REQUESTS,
        body=LeaseRequest,
        reply=LeaseReply,
        problems=(UnknownTask, InputError, EngineUnavailable),
    )
    async def take(request: Request, task: str) -> Response:
        """Take requests to answer; until the lease runs out nobody else gets them. What the model said is not shown."""
        context = await place.catalogue.by_name(task)
        body = await read_body(request, LeaseRequest)
        by = identity_of(request.scope).name
        taken = await lease(place, context.task, context.policy, body.count, by)
        return json_reply(LeaseReply(task, list(context.task.classes), taken))

    @router.protected(
        "POST",
        QUEUE + "/{request_id}/answer",
        permission=Permission.LABEL_REQUESTS,
        body=AnswerRequest,
        reply=SettledReply,
        problems=(*LABEL_PROBLEMS, UnknownRequest, RequestNotHeld),
    )
    async def give_answer(request: Request, task: str, request_id: str) -> Response:
        """Answer a request that you hold."""
        context = await place.catalogue.by_name(task)
        body = await read_body(request, AnswerRequest)
        by = identity_of(request.scope).name
        asked, event = await answer(place, context.task, context.policy, request_id, body, by)
        await place.bus.publish([event])
        await place.store.settle(context.task.task_id, [asked.request_id], RequestState.ANSWERED)
        return json_reply(SettledReply(request_id, RequestState.ANSWERED.value))

    @router.protected(
        "POST",
        QUEUE + "/{request_id}/skip",
        permission=Permission.LABEL_REQUESTS,
        reply=SettledReply,
        problems=HELD_PROBLEMS,
    )
    async def skip(request: Request, task: str, request_id: str) -> Response:
        """Nobody can answer it: it is not asked again."""
        return await _settle(place, request, task, request_id, RequestState.SKIPPED)

    @router.protected(
        "POST",
        QUEUE + "/{request_id}/return",
        permission=Permission.LABEL_REQUESTS,
        reply=SettledReply,
        problems=HELD_PROBLEMS,
    )
    async def give_back(request: Request, task: str, request_id: str) -> Response:
        """Somebody else shall answer it."""
        return await _settle(place, request, task, request_id, RequestState.OPEN)

    @router.protected(
        "GET",
        QUEUE,
        permission=Permission.LABEL_STATUS,
        reply=QueueReply,
        problems=(UnknownTask, EngineUnavailable),
    )
    async def status(request: Request, task: str) -> Response:
        """How many are open, leased and answered, why they were asked, and what the budget still allows."""
        context = await place.catalogue.by_name(task)
        return json_reply(await queue_status(place, context.task, context.policy))


async def _settle(place: Workplace, request: Request, task: str, request_id: str, state: RequestState) -> Response:
    context = await place.catalogue.by_name(task)
    await put_down(place, context.task, request_id, identity_of(request.scope).name, state)
    return json_reply(SettledReply(request_id, state.value))
