"""A plain request to a hot route goes past the router; everything else about the route stays as it is."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from dissonance.errors import UnknownTask
from dissonance.security.permissions import Permission
from dissonance.telemetry.metrics import Metrics
from dissonance.web.admission import identity_of
from dissonance.web.routes import ProtectedRouter
from support.access import LocalAccess
from support.api import SECRET, echo_app
from support.asgi import Reply, call

PATH = "/v1/tasks/census/predict"
JSON = {"content-type": "application/json"}


def router() -> ProtectedRouter:
    made = ProtectedRouter()

    async def directly(scope: Scope, body: bytes) -> bytes:
        if scope["path_params"]["task"] == "nowhere":
            raise UnknownTask("no task is named 'nowhere'", where="task")
        if scope["path_params"]["task"] == "broken":
            raise ValueError(SECRET)
        return b'"' + identity_of(scope).name.encode() + b" directly " + body + b'"'

    @made.protected("POST", "/v1/tasks/{task}/predict", permission=Permission.PREDICT, direct=directly)
    async def predict(request: Request, task: str, contradict: bool = False) -> Response:
        """Answer the long way."""
        await request.body()
        return Response(f"the long way, {contradict}")

    return made


def post(
    path: str = PATH, *, headers: dict[str, str] | None = None, metrics: Metrics | None = None, **more: Any
) -> Reply:
    access = LocalAccess()
    app = echo_app(access, routers=[router()], metrics=metrics, max_body_bytes=100)
    return call(app, "POST", path, headers={**access.header(), **JSON} if headers is None else headers, **more)


def test_a_plain_request_is_answered_directly_with_all_the_headers_and_counts_of_any_other() -> None:
    metrics = Metrics()
    reply = post(body=b"12", metrics=metrics)
    assert (reply.status, reply.body) == (200, b'"tester directly 12"')
    assert reply.headers["content-length"] == str(len(reply.body))
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["x-request-id"]
    assert 'route="/v1/tasks/{task}/predict",status="200"} 1.0' in metrics.text().decode()


def test_a_body_in_pieces_is_put_together() -> None:
    headers = {**LocalAccess().header(), **JSON, "content-length": "3"}
    assert post(headers=headers, body=[b"1", b"2", b"3"]).body == b'"tester directly 123"'


@pytest.mark.parametrize(
    ("path", "more"),
    [
        (f"{PATH}?contradict=true", {}),
        (PATH, {"content-type": "application/json; charset=utf-8"}),
        (PATH, {"content-encoding": "identity"}),
    ],
)
def test_what_is_not_plain_takes_the_long_way(path: str, more: dict[str, str]) -> None:
    reply = post(path, headers={**LocalAccess().header(), **JSON, **more})
    assert reply.body.startswith(b"the long way")


def test_a_header_that_comes_twice_takes_the_long_way_and_is_refused_there() -> None:
    access = LocalAccess()
    twice = [*access.header().items(), *access.header().items(), *JSON.items()]
    assert call(echo_app(access, routers=[router()]), "POST", PATH, headers=twice).status == 401


@pytest.mark.parametrize(("grant", "tasks", "status"), [("client", ("other",), 403), ("labeller", ("*",), 403)])
def test_the_caller_is_admitted_before_the_body_is_read(grant: str, tasks: tuple[str, ...], status: int) -> None:
    reply = post(headers={**LocalAccess().header(grant, tasks), **JSON}, body=b"1")
    assert (reply.status, reply.chunks_read) == (status, 0)


def test_no_token_is_401_without_a_look_at_the_body() -> None:
    reply = post(headers=JSON, body=b"1")
    assert (reply.status, reply.chunks_read) == (401, 0)


def test_an_error_of_ours_is_a_problem_and_one_that_nobody_foresaw_shows_nothing() -> None:
    reply = post("/v1/tasks/nowhere/predict")
    assert (reply.status, reply.json()["type"]) == (404, "urn:dissonance:problem:unknown-task")
    reply = post("/v1/tasks/broken/predict")
    assert reply.status == 500
    assert SECRET not in reply.body.decode()


def test_a_body_above_the_limit_is_refused() -> None:
    assert post(body=b"x" * 101).status == 413
    assert post(body=b"x" * 100).status == 200


@pytest.mark.parametrize("length", ["", "-1", "three"])
def test_a_body_of_no_announced_length_takes_the_long_way(length: str) -> None:
    reply = post(headers={**LocalAccess().header(), **JSON, "content-length": length}, body=[b"1"])
    assert reply.body.startswith(b"the long way")


@pytest.mark.parametrize("path", ["/v1/tasks//predict", "/v1/tasks/a/b/predict", "/v2/tasks/a/predict", "/predict"])
def test_other_addresses_are_not_taken_for_it(path: str) -> None:
    assert post(path).status == 404


def test_a_caller_that_leaves_in_the_middle_of_its_body_is_answered_nothing() -> None:
    headers = {**LocalAccess().header(), **JSON, "content-length": "2"}
    assert post(headers=headers, body=[b"1"], disconnects=True).status == 0
