"""The client against a scripted HTTP server on a free port; delays are recorded, never slept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
import pytest
from aiohttp import web

from dissonance.contracts.api import Label, LabelsReply, Prediction, PredictReply
from dissonance.drills.client import DissonanceClient, Patience, problem_error
from dissonance.errors import EngineError, EngineUnavailable, IdempotencyConflict, InputError, UnknownTask

T = TypeVar("T")
REPLY = PredictReply("acs", 1, "ab" * 32, [0, 1], [Prediction(prediction_id="x", answer=1, probabilities=[0.25, 0.75])])


class CountingBytes:
    """Randomness that counts up: every token differs, every run is the same."""

    def __init__(self) -> None:
        self.calls = 0

    def token(self, size: int) -> bytes:
        self.calls += 1
        return self.calls.to_bytes(size, "big")


class Server:
    """Answers each request with the next of a script, and remembers what came."""

    def __init__(self, *script: tuple[int, bytes, dict[str, str]]) -> None:
        self.script = list(script)
        self.seen: list[tuple[str, str, str | None, bytes]] = []
        self.authorizations: list[str | None] = []

    async def answer(self, request: web.Request) -> web.Response:
        key = request.headers.get("Idempotency-Key")
        self.seen.append((request.method, request.path_qs, key, await request.read()))
        self.authorizations.append(request.headers.get("Authorization"))
        status, body, headers = self.script.pop(0)
        if status == 0:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=status or 200, body=body, headers=headers)


def problem(slug: str, status: int, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    body = {
        "type": f"urn:dissonance:problem:{slug}",
        "status": status,
        "detail": "what",
        "where": "here",
        "fix": "mend",
    }
    return status, msgspec.json.encode(body), headers


OK = (200, msgspec.json.encode(REPLY), dict[str, str]())


def with_client(
    server: Server, use: Callable[[DissonanceClient], Awaitable[T]], delays: list[float] | None = None
) -> T:
    async def sleep(seconds: float) -> None:
        if delays is not None:
            delays.append(seconds)

    async def scenario() -> T:
        application = web.Application()
        application.router.add_route("*", "/{tail:.*}", server.answer)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        patience = Patience(total_s=5.0)
        try:
            url = f"http://127.0.0.1:{port}/"
            async with DissonanceClient(url, "token", CountingBytes(), patience=patience, sleep=sleep) as client:
                return await use(client)
        finally:
            await runner.cleanup()

    return asyncio.run(scenario())


def test_predict_sends_rows_token_and_key_and_decodes_the_reply() -> None:
    server = Server(OK)
    reply = with_client(server, lambda client: client.predict("acs", [{"AGEP": 40}], contradict=True))
    assert reply == REPLY
    method, path, key, body = server.seen[0]
    assert (method, path) == ("POST", "/v1/tasks/acs/predict?contradict=true")
    assert msgspec.json.decode(body) == {"rows": [{"AGEP": 40}]}
    assert key is not None and len(key) == 32
    assert server.authorizations == ["Bearer token"]


@pytest.mark.parametrize("passing", [problem("engine-unavailable", 503), problem("busy", 429), (0, b"", {})])
def test_request_is_sent_again_under_the_same_key_when_the_failure_passes(
    passing: tuple[int, bytes, dict[str, str]],
) -> None:
    server = Server(passing, passing, OK)
    delays: list[float] = []
    assert with_client(server, lambda client: client.predict("acs", [{}], idempotency_key="k1"), delays) == REPLY
    assert [key for _, _, key, _ in server.seen] == ["k1", "k1", "k1"]
    assert len({body for _, _, _, body in server.seen}) == 1
    assert 0.025 <= delays[0] <= 0.05
    assert 0.05 <= delays[1] <= 0.1


def test_retry_after_is_the_least_delay_when_the_server_asks_for_one() -> None:
    server = Server(problem("engine-unavailable", 503, **{"retry-after": "3"}), OK)
    delays: list[float] = []
    with_client(server, lambda client: client.predict("acs", [{}]), delays)
    assert delays == [3.0]


def test_client_gives_up_with_the_typed_error_when_patience_ends() -> None:
    server = Server(*[problem("engine-unavailable", 503, **{"Retry-After": "2"})] * 10)
    delays: list[float] = []
    with pytest.raises(EngineUnavailable, match="what"):
        with_client(server, lambda client: client.predict("acs", [{}]), delays)
    assert delays == [2.0, 2.0, 2.0]


def test_refusal_is_raised_at_once_when_trying_again_cannot_help() -> None:
    server = Server(problem("unknown-task", 404))
    with pytest.raises(UnknownTask) as caught:
        with_client(server, lambda client: client.windows("nobody"))
    assert (caught.value.what, caught.value.where, caught.value.fix) == ("what", "here", "mend")
    assert len(server.seen) == 1


def test_labels_reach_their_route_when_sent() -> None:
    server = Server((200, msgspec.json.encode(LabelsReply("acs", 1)), {}))
    reply = with_client(server, lambda client: client.labels("acs", [Label("id", 1)], "late"))
    assert reply.accepted == 1
    assert msgspec.json.decode(server.seen[0][3])["source"] == "late"


def test_ready_is_false_when_the_server_says_503_and_is_not_retried() -> None:
    server = Server(problem("engine-unavailable", 503), (200, b"{}", {}))
    assert with_client(server, lambda client: client.ready()) is False
    assert with_client(server, lambda client: client.ready()) is True


def test_reply_of_another_shape_is_an_engine_error_when_decoded() -> None:
    with pytest.raises(EngineError, match="PredictReply"):
        with_client(Server((200, b'{"other": 1}', {})), lambda client: client.predict("acs", [{}]))


def test_problem_maps_to_the_class_of_its_slug_and_to_the_nearest_when_unknown() -> None:
    assert isinstance(problem_error(409, problem("idempotency-conflict", 409)[1]), IdempotencyConflict)
    unknown = problem_error(418, problem("teapot", 418)[1])
    assert type(unknown) is InputError and "418" in unknown.what
    assert type(problem_error(500, b"<html>")) is EngineError
