from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from dissonance.errors import ConfigurationError
from dissonance.security.permissions import Permission
from dissonance.web.connections import PunctualProtocol
from dissonance.web.routes import ProtectedRouter
from dissonance.web.server import serve
from support.access import LocalAccess
from support.api import echo_app


@asynccontextmanager
async def served(app: ASGIApp, stop: asyncio.Event, **more: Any) -> AsyncIterator[int]:
    """The app on a free port; stopped at the end at the latest."""
    port = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(app, "127.0.0.1", 0, stop=stop, on_started=port.set_result, **more))
    try:
        yield await port
    finally:
        stop.set()
        await serving


def test_it_serves_in_a_running_loop_and_leaves_the_signals_alone() -> None:
    access = LocalAccess()

    async def live() -> None:
        before = signal.getsignal(signal.SIGTERM)
        async with served(echo_app(access), asyncio.Event()) as port:
            assert signal.getsignal(signal.SIGTERM) is before
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=access.header()) as client:
                reply = await client.post("/v1/tasks/census/check", json={"rows": [{"a": 1}]})
                assert (reply.status, len((await reply.json())["checks"])) == (200, 1)
                assert "server" not in reply.headers

    asyncio.run(live())


def test_a_request_in_hand_is_answered_after_stop_was_asked_for_and_then_nobody_listens() -> None:
    begun, finish = asyncio.Event(), asyncio.Event()
    router = ProtectedRouter()

    @router.protected("GET", "/v1/slow", permission=Permission.MODELS)
    async def slow(request: Request) -> Response:
        """Answer when the test lets it."""
        begun.set()
        await finish.wait()
        return Response(b"done")

    async def live() -> None:
        access, stop = LocalAccess(), asyncio.Event()
        async with (
            served(echo_app(access, routers=[router]), stop) as port,
            aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=access.header("viewer")) as client,
        ):
            answer = asyncio.create_task(client.get("/v1/slow"))
            await begun.wait()
            stop.set()
            finish.set()
            assert await (await answer).read() == b"done"
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", port)

    asyncio.run(live())


def test_a_body_without_end_is_refused_while_it_is_still_coming() -> None:
    access = LocalAccess()

    async def live() -> None:
        async with served(echo_app(access, max_body_bytes=1000), asyncio.Event()) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            head = f"authorization: Bearer {access.token()}\r\ncontent-type: application/json\r\n"
            writer.write(f"POST /v1/tasks/census/check HTTP/1.1\r\nhost: x\r\n{head}".encode())
            writer.write(b"transfer-encoding: chunked\r\n\r\n" + (b"200\r\n" + b"x" * 512 + b"\r\n") * 3)
            assert b" 413 " in await reader.readline()
            writer.close()
            await writer.wait_closed()

    asyncio.run(live())


def test_a_port_that_is_taken_is_a_clear_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"cannot listen on 127.0.0.1 port {port}"):
            asyncio.run(serve(echo_app(LocalAccess()), "127.0.0.1", port, stop=asyncio.Event()))


def test_an_address_that_does_not_exist_is_a_clear_error() -> None:
    with pytest.raises(ConfigurationError, match="cannot listen"):
        asyncio.run(serve(echo_app(LocalAccess()), "no such host", 0, stop=asyncio.Event()))


class Impatient(PunctualProtocol):
    first_s = 0.05
    receive_s = 0.05


@pytest.mark.parametrize(
    "sent", [b"", b"POST /v1/tas", b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"]
)
def test_a_connection_that_does_not_say_what_it_wants_is_closed(sent: bytes) -> None:
    async def live() -> None:
        app = echo_app(LocalAccess())
        async with served(app, asyncio.Event(), protocol=Impatient, sweep_s=0.02) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            with suppress(ConnectionResetError):
                while await reader.read(1000):
                    pass
            writer.close()

    asyncio.run(live())


def test_a_connection_that_was_answered_stays_open_for_the_next_request() -> None:
    request = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"

    async def live() -> None:
        app = echo_app(LocalAccess())
        async with served(app, asyncio.Event(), protocol=Impatient, sweep_s=0.02) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for _ in range(2):
                writer.write(request)
                assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200")
                await asyncio.sleep(0.2)
            writer.close()

    asyncio.run(live())


def test_requests_are_still_answered_while_it_drains() -> None:
    async def live() -> None:
        stop = asyncio.Event()
        async with (
            served(echo_app(LocalAccess()), stop, drain_s=0.3) as port,
            aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client,
        ):
            stop.set()
            await asyncio.sleep(0.05)
            async with client.get("/livez") as reply:
                assert reply.status == 200

    asyncio.run(live())
