"""An app with one task route and a few awkward ones, on doubles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fastapi.routing import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from dissonance.adapters.memory.clock import SeededRandomness
from dissonance.contracts.api import Check, CheckReply, RowsRequest
from dissonance.contracts.verdicts import Reason, Verdict
from dissonance.errors import EngineUnavailable, SealBroken, UnknownTask
from dissonance.security.permissions import Permission
from dissonance.telemetry.metrics import Metrics
from dissonance.web.admission import identity_of
from dissonance.web.app import DissonanceApp, create_app
from dissonance.web.bodies import json_reply, read_body
from dissonance.web.health import HealthCheck
from dissonance.web.routes import ProtectedRouter
from support.access import LocalAccess

SECRET = "Ada Lovelace, 36"


class TornReply(Response):
    """Begins an answer and breaks off."""

    async def __call__(self, scope, receive, send):  # type: ignore[no-untyped-def]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ValueError(SECRET)


def check_router() -> ProtectedRouter:
    router = ProtectedRouter()

    @router.protected(
        "POST",
        "/v1/tasks/{task}/check",
        permission=Permission.CHECK,
        body=RowsRequest,
        reply=CheckReply,
        problems=[EngineUnavailable],
    )
    async def check(request: Request, task: str, repeat: int = 1) -> Response:
        """Say what the gate would say."""
        body = await read_body(request, RowsRequest)
        if task == "nowhere":
            raise UnknownTask("no task is named 'nowhere'", where="task", fix="list them: dissonance task list")
        one = Check(Verdict.ADMITTED, Reason.AGREED, doubt=0.1, dissonance=0.0, fields=[])
        return json_reply(CheckReply(task, policy_version=1, checks=[one] * len(body.rows) * repeat))

    @router.protected("POST", "/v1/tasks/{task}/labels", permission=Permission.LABEL, body=RowsRequest)
    async def whoami(request: Request, task: str) -> Response:
        """Read a short body and say who sent it."""
        await read_body(request, RowsRequest, max_body_bytes=20)
        return Response(identity_of(request.scope).name)

    @router.protected("GET", "/v1/tasks/{task}/windows", permission=Permission.WINDOWS)
    async def fail(request: Request, task: str) -> Response:
        """Fail in the way that the task's name says."""
        if task == "engine":
            raise EngineUnavailable(f"postgresql://user:{SECRET}@host", where="PostgreSQL")
        if task == "seal":
            raise SealBroken(SECRET, where="sealed row")
        if task == "torn":
            return TornReply()
        raise ValueError(SECRET)

    return router


def echo_app(
    access: LocalAccess,
    *,
    routers: Sequence[APIRouter] | None = None,
    health: Mapping[str, HealthCheck] | None = None,
    configuration: Mapping[str, object] | None = None,
    max_body_bytes: int = 10_000,
    metrics: Metrics | None = None,
    engines: Callable[[], Mapping[str, str]] = dict,
) -> DissonanceApp:
    return create_app(
        [check_router()] if routers is None else routers,
        verifier=access.verifier,
        clock=access.clock,
        randomness=SeededRandomness(3),
        metrics=metrics or Metrics(),
        health=health or {},
        configuration=configuration or {},
        max_body_bytes=max_body_bytes,
        engines=engines,
    )
