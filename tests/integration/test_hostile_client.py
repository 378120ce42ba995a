"""A real server among hostile clients: they get nothing of it, and others are answered meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from dissonance.web.server import serve
from support.access import LocalAccess
from support.api import echo_app

PIECE = b"A" * 65_536
BUFFERS_BYTES = 32_000_000
"""More than what the system keeps between two ends of a connection."""


@asynccontextmanager
async def served(access: LocalAccess) -> AsyncIterator[int]:
    stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(echo_app(access), "127.0.0.1", 0, stop=stop, on_started=port.set_result))
    try:
        yield await port
    finally:
        stop.set()
        await serving


async def flood(port: int, begin: bytes) -> int:
    """How many bytes a client could send before it was hung up on."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    sent = 0
    try:
        writer.write(begin)
        while sent < BUFFERS_BYTES:
            writer.write(PIECE)
            await writer.drain()
            sent += len(PIECE)
    except ConnectionError:
        pass
    finally:
        writer.close()
    return sent


@pytest.mark.parametrize("begin", [b"GET /", b"GET / HTTP/1.1\r\nx: ", b"GET / HTTP/1.1\r\n"])
def test_heads_without_end_are_cut_while_others_are_answered(begin: bytes) -> None:
    async def story() -> None:
        access = LocalAccess()
        headers = {**access.header(), "content-type": "application/json"}
        async with served(access) as port, aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
            flooding = [asyncio.create_task(flood(port, begin)) for _ in range(4)]
            async with client.post("/v1/tasks/census/check", data=b'{"rows": [{}]}', headers=headers) as reply:
                assert reply.status == 200
            assert max(await asyncio.gather(*flooding)) < BUFFERS_BYTES
            async with client.get("/livez") as reply:
                assert reply.status == 200

    asyncio.run(story())
