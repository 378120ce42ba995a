"""MLflow's scoring protocol: `/invocations`, and what its clients ask before."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from dissonance import __version__
from dissonance.contracts.api import Row
from dissonance.contracts.ids import id_text
from dissonance.contracts.mlflow_scoring import InvocationsReply, InvocationsRequest
from dissonance.contracts.open_inference import Ready
from dissonance.decisions.frames_in import rows_of_csv, rows_of_request
from dissonance.errors import (
    DissonanceError,
    EngineUnavailable,
    IdempotencyConflict,
    InputError,
    KeyDestroyed,
    MalformedBody,
    Overloaded,
    TaskNotNamed,
    UnsupportedMediaType,
)
from dissonance.roles.arrivals import ROW_PROBLEMS, arrivals_of, require_row_count
from dissonance.roles.catalogue import TaskContext
from dissonance.roles.proposer.handle import Proposer
from dissonance.roles.proposer.keys import idempotency_key
from dissonance.roles.proposer.protocols.asking import Answer, answer_rows
from dissonance.roles.proposer.protocols.open_inference import require_ready
from dissonance.roles.role import Workplace
from dissonance.security.permissions import ANY_TASK, Permission
from dissonance.web.admission import identity_of, require
from dissonance.web.bodies import explain, json_reply
from dissonance.web.problems import shown
from dissonance.web.routes import Handler, ProtectedRouter

CSV = "text/csv"
TASK_HEADER = "x-dissonance-task"
PROBLEMS = (*ROW_PROBLEMS, KeyDestroyed, IdempotencyConflict, Overloaded)

ERROR_CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    409: "RESOURCE_CONFLICT",
    410: "RESOURCE_DOES_NOT_EXIST",
    429: "REQUEST_LIMIT_EXCEEDED",
    503: "TEMPORARILY_UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""MLflow's words by HTTP status; for what else a caller can mend it is BAD_REQUEST."""


_NAN = re.compile(rb'"(?:[^"\\]|\\.)*+"?|\bNaN\b', re.DOTALL)
"""Texts, also one that does not end, and NaN outside of them."""


def members(error: DissonanceError) -> dict[str, str]:
    """What clients of this protocol look for in an answer that is none."""
    code = ERROR_CODES.get(error.status, "BAD_REQUEST" if error.status < 500 else "INTERNAL_ERROR")
    return {"error_code": code, "message": shown(error)}


def add_routes(router: ProtectedRouter, place: Workplace, proposer: Proposer) -> None:
    _add_server_routes(router)

    def route(path: str) -> Callable[[Handler], Handler]:
        return router.protected(
            "POST",
            path,
            permission=Permission.PREDICT,
            body=InvocationsRequest,
            reply=InvocationsReply,
            problems=(*PROBLEMS, TaskNotNamed, InputError) if path == "/invocations" else PROBLEMS,
            other_bodies=[CSV],
            problem_members=members,
        )

    @route("/invocations")
    async def invocations(request: Request, task: str | None = None) -> Response:
        """MLflow: answer rows; the answers are recorded before they are sent.

        Of which task: the one that the token is for, that `?task=` or the header `X-Dissonance-Task` names, or the only
        one there is.
        """
        return await _answer(place, proposer, request, await _task_of(place, request, task))

    @route("/v1/tasks/{task}/invocations")
    async def task_invocations(request: Request, task: str) -> Response:
        """MLflow: the same, with the task in the address."""
        return await _answer(place, proposer, request, task)

    @route("/serving-endpoints/{task}/invocations")
    async def endpoint_invocations(request: Request, task: str) -> Response:
        """MLflow: the same, at the address that `mlflow.deployments` uses."""
        return await _answer(place, proposer, request, task)


def _add_server_routes(router: ProtectedRouter) -> None:
    for path, name in (("/ping", "ping"), ("/health", "health")):

        @router.protected(
            "GET",
            path,
            permission=Permission.PUBLIC,
            reply=Ready,
            problems=[EngineUnavailable],
            problem_members=members,
            name=name,
        )
        async def ping(request: Request) -> Response:
            """MLflow: every role of the process is ready."""
            await require_ready(request.app.state.health)
            return json_reply(Ready())

    @router.protected(
        "GET", "/version", permission=Permission.PREDICT, reply_type="text/plain", problem_members=members
    )
    async def version(request: Request) -> Response:
        """MLflow: the version of the server, which is Dissonance's."""
        return Response(__version__, media_type="text/plain")


async def _task_of(place: Workplace, request: Request, asked: str | None) -> str:
    for name in request.query_params:
        if name != "task":
            raise InputError("there is no such parameter", where=f"query {name[:60]}", fix="the parameters are task")
    named = {name for name in (asked, request.headers.get(TASK_HEADER)) if name is not None}
    identity = identity_of(request.scope)
    if not named:
        named = set(identity.tasks)
    if ANY_TASK in named:
        named = {task.name for task in await place.store.all()}
    if len(named) != 1:
        raise TaskNotNamed(
            f"it could be any of {len(named)} tasks",
            where="query task, header X-Dissonance-Task",
            fix="name one, or use a token that is for one task only",
        )
    task = named.pop()
    require(identity, Permission.PREDICT, task)
    return task


async def _answer(place: Workplace, proposer: Proposer, request: Request, task: str) -> Response:
    context = await place.catalogue.by_name(task)
    body = await request.body()
    arrivals = arrivals_of(context, _rows(request, context, body), place.keys, place.clock.now_us())
    key = idempotency_key(request.scope, context, body)
    return json_reply(_reply(context, await answer_rows(place, proposer, context, arrivals, key)))


def _rows(request: Request, context: TaskContext, body: bytes) -> list[Row]:
    media, _, parameters = request.headers.get("content-type", "").lower().partition(";")
    charset = parameters.partition("charset=")[2].strip(' "')
    coding = request.headers.get("content-encoding", "identity")
    if media.strip() not in ("application/json", CSV) or charset not in ("", "utf-8") or coding != "identity":
        raise UnsupportedMediaType(
            "the body is neither JSON nor CSV, in UTF-8, or it is compressed",
            where="header Content-Type" if coding == "identity" else "header Content-Encoding",
            fix=f"send 'Content-Type: application/json' or '{CSV}', and no Content-Encoding",
        )

    def check(count: int) -> None:
        require_row_count(context, count)

    if media.strip() == CSV:
        try:
            return rows_of_csv(body.decode("utf-8-sig"), context.task, check)
        except UnicodeDecodeError as error:
            raise MalformedBody("the body is not UTF-8", where="body", fix="encode it in UTF-8") from error
    return rows_of_request(_decode(body), context.task, check)


def _decode(body: bytes) -> InvocationsRequest:
    """JSON, in which MLflow's clients write NaN for what a data frame lacks."""
    if b"NaN" in body:
        body = _NAN.sub(lambda found: b"null" if found.group() == b"NaN" else found.group(), body)
    try:
        return msgspec.json.decode(body, type=InvocationsRequest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        explain(body, error)


def _reply(context: TaskContext, answer: Answer) -> InvocationsReply:
    classes = list(context.task.classes)
    return InvocationsReply(
        predictions=[classes[index] for index in answer.classes],
        prediction_ids=[id_text(prediction_id) for prediction_id in answer.answered.prediction_ids],
        probabilities=answer.answered.probabilities.tolist(),
        classes=classes,
        model_version=answer.serving.version,
        model_digest=answer.answered.model_digest,
    )
