"""A plain request to a hot route goes past the router; everything else about the route stays as it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from dissonance.errors import UnknownTask
from dissonance.security.permissions import Permission
from dissonance.telemetry.metrics import Metrics
from dissonance.web.admission import identity_of
from dissonance.web.app import DissonanceApp
from dissonance.web.routes import MakesReply, ProtectedRouter, Takes
from support.access import LocalAccess
from support.api import SECRET, echo_app
from support.asgi import Reply
from support.asgi import call as call_asgi
from support.wire import Wire, call, head, whole

PATH = "/v1/tasks/census/predict"
JSON = {"content-type": "application/json"}


def router(calls: list[Callable[[], None]] | None = None) -> ProtectedRouter:
    """Its answers come in the next round of the loop, or once a test calls what is put into `calls`."""
    made = ProtectedRouter()

    def directly(task: str) -> Takes | None:
        return None if task == "unknown" else take

    def take(scope: Scope, body: bytes, answer: Callable[[MakesReply], None]) -> None:
        if scope["path_params"]["task"] == "nowhere":
            raise UnknownTask("no task is named 'nowhere'", where="task")
        makes = broken if scope["path_params"]["task"] == "broken" else partial(said, scope, body)
        if calls is None:
            asyncio.get_running_loop().call_soon(answer, makes)
        else:
            calls.append(partial(answer, makes))

    def said(scope: Scope, body: bytes) -> bytes:
        return b'"' + identity_of(scope).name.encode() + b" directly " + body + b'"'

    def broken() -> bytes:
        raise ValueError(SECRET)

    @made.protected("POST", "/v1/tasks/{task}/predict", permission=Permission.PREDICT, direct=directly)
    async def predict(request: Request, task: str, contradict: bool = False) -> Response:
        """Answer the long way."""
        await request.body()
        return Response(f"the long way, {contradict}")

    return made


def app_of(access: LocalAccess, **more: Any) -> DissonanceApp:
    calls = more.pop("calls", None)
    return echo_app(access, routers=[router(calls)], max_body_bytes=100, **more)


def post(path: str = PATH, *, headers: dict[str, str] | None = None, body: bytes = b"", **more: Any) -> Reply:
    access = LocalAccess()
    return call(app_of(access, **more), path, {**access.header(), **JSON} if headers is None else headers, body)


def test_a_plain_request_is_answered_directly_with_all_the_headers_and_counts_of_any_other() -> None:
    metrics, access = Metrics(), LocalAccess()
    reply = post(body=b"12", metrics=metrics, headers={**access.header(), **JSON, "x-request-id": "one"})
    assert (reply.status, reply.body) == (200, b'"tester directly 12"')
    assert 'route="/v1/tasks/{task}/predict",status="200"} 1.0' in metrics.text().decode()
    headers = {**access.header(), "content-type": "application/json; charset=utf-8", "x-request-id": "one"}
    long = call_asgi(app_of(access), "POST", PATH, headers=headers, body=b"12")
    assert long.body.startswith(b"the long way")
    own = {"content-length", "content-type"}
    assert {name: value for name, value in reply.headers.items() if name not in own} == {
        name: value for name, value in long.headers.items() if name not in own
    }
    assert reply.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("path", "more"),
    [
        (f"{PATH}?contradict=true", {}),
        (PATH, {"content-type": "application/json; charset=utf-8"}),
        (PATH, {"content-encoding": "identity"}),
        (PATH, {"expect": "100-continue"}),
        ("/v1/tasks/unknown/predict", {}),
    ],
)
def test_what_is_not_plain_or_would_have_to_wait_takes_the_long_way(path: str, more: dict[str, str]) -> None:
    async def story() -> None:
        access = LocalAccess()
        wire = Wire(app_of(access))
        wire.send(whole(path, {**access.header(), **JSON, **more}, b"12"))
        for _ in range(30):
            await asyncio.sleep(0)
        assert b"the long way" in wire.written
        wire.leave()

    asyncio.run(story())


def test_a_header_that_comes_twice_takes_the_long_way_and_is_refused_there() -> None:
    access = LocalAccess()
    twice = access.header() | JSON | {"Authorization": access.header()["authorization"]}
    assert post(headers=twice).status == 401


@pytest.mark.parametrize(("grant", "tasks", "status"), [("client", ("other",), 403), ("labeller", ("*",), 403)])
def test_the_caller_is_admitted_before_the_body_is_there(grant: str, tasks: tuple[str, ...], status: int) -> None:
    async def story() -> None:
        wire = Wire(app_of(LocalAccess()))
        sent = {**LocalAccess().header(grant, tasks), **JSON, "content-length": "1"}
        wire.send(head(PATH, sent))
        assert (await wire.reply()).status == status
        wire.send(b"1", head(PATH, sent))  # the connection goes on behind the body that nobody wanted
        assert (await wire.reply()).status == status
        wire.leave()

    asyncio.run(story())


def test_no_token_is_401() -> None:
    reply = post(headers=JSON, body=b"1")
    assert (reply.status, reply.headers["www-authenticate"]) == (401, 'Bearer realm="dissonance"')


def test_an_error_of_ours_is_a_problem_and_one_that_nobody_foresaw_shows_nothing_and_is_counted() -> None:
    reply, metrics = post("/v1/tasks/nowhere/predict"), Metrics()
    assert (reply.status, reply.json()["type"]) == (404, "urn:dissonance:problem:unknown-task")
    assert (reply.headers["content-type"], reply.headers["cache-control"]) == ("application/problem+json", "no-store")
    reply = post("/v1/tasks/broken/predict", metrics=metrics)
    assert (reply.status, reply.json()["request_id"]) == (500, reply.headers["x-request-id"])
    assert SECRET not in reply.body.decode()
    assert 'unexpected_errors_total{where="http"} 1.0' in metrics.text().decode()
    assert 'status="500"} 1.0' in metrics.text().decode()


def test_a_body_above_the_limit_is_refused() -> None:
    assert post(body=b"x" * 101).status == 413
    assert post(body=b"x" * 100).status == 200


@pytest.mark.parametrize("path", ["/v1/tasks//predict", "/v1/tasks/a/b/predict", "/v2/tasks/a/predict", "/predict"])
def test_other_addresses_are_not_taken_for_it(path: str) -> None:
    assert post(path).status == 404
