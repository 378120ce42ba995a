"""The open loop against a scripted server: requests leave when they are due, and try at most once more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
import pytest
from aiohttp import web

from dissonance.contracts.api import Prediction, PredictReply
from dissonance.drills.faults.load import NO_ANSWER, NOT_AN_ANSWER, TIMED_OUT, Answer, OpenLoad

T = TypeVar("T")


def reply(prediction_id: str = "x", rows: int = 1) -> bytes:
    predictions = [Prediction(prediction_id=prediction_id, answer=1, probabilities=[0.25, 0.75])] * rows
    return msgspec.json.encode(PredictReply("acs", 7, "ab" * 32, [0, 1], predictions))


class CountingBytes:
    def __init__(self) -> None:
        self.calls = 0

    def token(self, size: int) -> bytes:
        self.calls += 1
        return self.calls.to_bytes(size, "big")


class Numbers:
    def body(self, number: int) -> bytes:
        return str(number).encode()


class Server:
    """Answers the n-th attempt with the n-th of a script, the last for ever; 0 hangs up, None never answers."""

    def __init__(self, *script: tuple[int | None, bytes]) -> None:
        self.script = list(script)
        self.seen: list[tuple[str | None, bytes]] = []
        self.silent = asyncio.Event()

    async def answer(self, request: web.Request) -> web.Response:
        self.seen.append((request.headers.get("Idempotency-Key"), await request.read()))
        status, body = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if status is None:
            await self.silent.wait()
        if status == 0:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=status or 200, body=body)


def serve(server: Callable[[], Server], use: Callable[[str, Server], Awaitable[T]]) -> T:
    async def run() -> T:
        made = server()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", made.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            return await use(f"http://127.0.0.1:{runner.addresses[0][1]}/predict", made)
        finally:
            made.silent.set()
            await runner.cleanup()

    return asyncio.run(run())


def one(*script: tuple[int | None, bytes], attempt_s: float = 5.0) -> tuple[Answer, list[tuple[str | None, bytes]]]:
    """What became of the first request, and what the server saw of it."""

    async def use(url: str, server: Server) -> tuple[Answer, list[tuple[str | None, bytes]]]:
        async with OpenLoad(url, "token", Numbers(), 1_000.0, CountingBytes(), attempt_s) as load:
            stop = asyncio.Event()
            running = asyncio.create_task(load.run(stop))
            while not load.answers:
                await asyncio.sleep(0)
            stop.set()
            await running
            assert load.answers[0] is not None
            return load.answers[0], [each for each in server.seen if each[1] == b"0"]

    return serve(lambda: Server(*script), use)


def test_answer_is_noted_with_its_id_and_model() -> None:
    answer, seen = one((200, reply("here")))

    assert (answer.ok, answer.prediction_id, answer.version, answer.attempts) == (True, "here", 7, 1)
    assert len(seen) == 1


@pytest.mark.parametrize("status", [503, 429, 504, 0])
def test_what_may_pass_is_tried_once_more_under_the_same_key(status: int) -> None:
    answer, seen = one((status, b""), (200, reply()))

    assert (answer.ok, answer.attempts) == (True, 2)
    assert len(seen) == 2
    assert seen[0] == seen[1]
    assert seen[0][0]


def test_second_failure_is_the_last() -> None:
    answer, seen = one((503, b""))

    assert (answer.ok, answer.status, answer.attempts, len(seen)) == (False, 503, 2, 2)


@pytest.mark.parametrize("status", [400, 401, 409, 500])
def test_refusal_is_not_tried_again(status: int) -> None:
    answer, seen = one((status, b""))

    assert (answer.ok, answer.status, answer.attempts, len(seen)) == (False, status, 1, 1)


def test_broken_connection_is_told_from_silence() -> None:
    broken, _ = one((0, b""))
    silent, _ = one((None, b""), attempt_s=0.05)

    assert (broken.status, silent.status) == (NO_ANSWER, TIMED_OUT)


@pytest.mark.parametrize("body", [b"", b"{}", reply(rows=2)])
def test_success_without_a_prediction_is_none(body: bytes) -> None:
    answer, _ = one((200, body))

    assert (answer.ok, answer.status) == (False, NOT_AN_ANSWER)


def test_arrivals_do_not_wait_for_answers() -> None:
    """With a server that answers nobody, as many are on their way as were due."""

    async def use(url: str, server: Server) -> bool:
        async with OpenLoad(url, "token", Numbers(), 500.0, CountingBytes()) as load:
            stop = asyncio.Event()
            running = asyncio.create_task(load.run(stop))
            while len(load.answers) < 50:
                await asyncio.sleep(0.001)
            nobody = not any(load.answers)
            stop.set()
            server.silent.set()
            await running
            return nobody

    assert serve(lambda: Server((None, reply())), use)


def test_number_of_a_moment_is_the_first_request_due_from_then_on() -> None:
    load = OpenLoad("http://nowhere", "token", Numbers(), 10.0, CountingBytes())
    load.begun_s = 100.0

    assert [load.number_at(moment_s) for moment_s in (99.0, 100.0, 100.05, 100.1, 101.0)] == [0, 0, 1, 1, 10]
    assert load.due_s(10) == pytest.approx(101.0)
