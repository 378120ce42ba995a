"""A link between two sockets: fair, slow, cut off, and whole again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import pytest

from dissonance.drills.faults.proxy import FAIR, Link, Weather, tcp_link, unix_link

LARGE = bytes(range(256)) * 8_192
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Echo(asyncio.Protocol):
    """Says what it hears."""

    open: ClassVar[set[asyncio.Transport]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.open.add(transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.open.discard(self.transport)


async def end(server: asyncio.Server, *clients: asyncio.StreamWriter) -> None:
    for each in (*Echo.open, *(client.transport for client in clients)):
        each.abort()
    server.close()
    await server.wait_closed()
    for client in clients:
        with suppress(OSError):
            await client.wait_closed()
    while Echo.open:
        await asyncio.sleep(0)


def through(use: Callable[[Link, Callable[[], Awaitable[Streams]]], Awaitable[None]]) -> None:
    """`use` gets a link to an echo, and a way to connect by it."""

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
        link, port = await tcp_link("127.0.0.1", server.sockets[0].getsockname()[1])
        opened: list[asyncio.StreamWriter] = []

        async def connect() -> Streams:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            opened.append(writer)
            return reader, writer

        try:
            await asyncio.wait_for(use(link, connect), 30.0)
        finally:
            await link.close()
            await end(server, *opened)

    asyncio.run(run())


async def said(streams: Streams, data: bytes) -> bytes:
    """What comes back for it."""
    reader, writer = streams

    async def send() -> None:
        writer.write(data)
        await writer.drain()

    _, answer = await asyncio.gather(send(), reader.readexactly(len(data)))
    return answer


async def nothing_comes(reader: asyncio.StreamReader) -> bool:
    try:
        await asyncio.wait_for(reader.read(1), 0.1)
    except TimeoutError:
        return True
    return False


@pytest.mark.parametrize("weather", [FAIR, Weather(delay_s=0.01), Weather(bytes_per_s=5e7), Weather(0.005, 1e8)])
def test_bytes_arrive_whole_and_in_order(weather: Weather) -> None:
    async def use(link: Link, connect: Callable[[], Awaitable[Streams]]) -> None:
        link.weather = weather
        assert await said(await connect(), LARGE) == LARGE

    through(use)


def test_delay_is_one_of_each_way() -> None:
    async def use(link: Link, connect: Callable[[], Awaitable[Streams]]) -> None:
        streams = await connect()
        link.weather = Weather(delay_s=0.1)
        begun_s = asyncio.get_running_loop().time()
        assert await said(streams, b"x") == b"x"
        assert asyncio.get_running_loop().time() - begun_s >= 0.2

    through(use)


def test_cut_link_hands_on_later_what_was_sent_meanwhile() -> None:
    async def use(link: Link, connect: Callable[[], Awaitable[Streams]]) -> None:
        reader, writer = await connect()
        assert await said((reader, writer), b"before") == b"before"
        link.weather = Weather(cut=True)
        writer.write(b"meanwhile")
        assert await nothing_comes(reader)
        link.weather = FAIR
        assert await reader.readexactly(9) == b"meanwhile"
        assert await said((reader, writer), LARGE) == LARGE

    through(use)


def test_connection_made_while_cut_works_after() -> None:
    async def use(link: Link, connect: Callable[[], Awaitable[Streams]]) -> None:
        link.weather = Weather(cut=True)
        reader, writer = await connect()
        writer.write(b"hello")
        assert await nothing_comes(reader)
        link.weather = FAIR
        assert await reader.readexactly(5) == b"hello"

    through(use)


def test_end_of_one_side_reaches_the_other_after_its_last_bytes() -> None:
    async def use(link: Link, connect: Callable[[], Awaitable[Streams]]) -> None:
        reader, writer = await connect()
        assert await said((reader, writer), b"x") == b"x"
        link.weather = Weather(delay_s=0.02)
        for engine in list(Echo.open):
            engine.write(b"last")
            engine.close()
        assert await reader.read() == b"last"

    through(use)


def test_link_to_nobody_hangs_up() -> None:
    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
        gone = server.sockets[0].getsockname()[1]
        await end(server)
        link, port = await tcp_link("127.0.0.1", gone)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        await link.close()
        await end(server, writer)

    asyncio.run(asyncio.wait_for(run(), 30.0))


def test_unix_socket_is_linked_alike(tmp_path: Path) -> None:
    async def run() -> None:
        server = await asyncio.get_running_loop().create_unix_server(Echo, str(tmp_path / "engine"))
        link = await unix_link(tmp_path / "engine", tmp_path / "role")
        streams = await asyncio.open_unix_connection(str(tmp_path / "role"))
        assert await said(streams, LARGE) == LARGE
        await link.close()
        await end(server, streams[1])

    asyncio.run(asyncio.wait_for(run(), 30.0))
