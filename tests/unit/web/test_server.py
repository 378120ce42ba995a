from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from dissonance.errors import ConfigurationError
from dissonance.security.permissions import Permission
from dissonance.web.routes import ProtectedRouter
from dissonance.web.server import serve
from support.access import LocalAccess
from support.api import echo_app


@asynccontextmanager
async def served(app: ASGIApp, stop: asyncio.Event) -> AsyncIterator[int]:
    """The app on a free port; stopped at the end at the latest."""
    port = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(app, "127.0.0.1", 0, stop=stop, on_started=port.set_result))
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
