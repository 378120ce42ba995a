"""A proxy of our own between a role and an engine, TCP or unix socket, that can delay, throttle and cut off.

A cut is what a network does that loses every packet: connections stay, nothing gets through, new ones are not answered;
what was on its way arrives after. While nothing is disturbed, bytes are handed on as they come.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple, Self, cast

MOST_HELD = 262_144
"""Bytes of one direction that are held before the sender is asked to wait."""


class Weather(NamedTuple):
    """How a link behaves. `delay_s`: each way; `bytes_per_s`: each way, 0 for no limit; `cut`: nothing gets through."""

    delay_s: float = 0.0
    bytes_per_s: float = 0.0
    cut: bool = False


FAIR = Weather()

Connect = Callable[[Callable[[], asyncio.Protocol]], Awaitable[object]]


class Link:
    """Made by `tcp_link` or `unix_link`; `weather` may be set at any time."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._weather = FAIR
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._ends: set[_End] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def weather(self) -> Weather:
        return self._weather

    @weather.setter
    def weather(self, weather: Weather) -> None:
        self._weather = weather
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def serve(self, server: asyncio.Server) -> Self:
        self._server = server
        return self

    async def close(self) -> None:
        """Close the listener and all connections."""
        if self._server is not None:
            self._server.close()
        for end in list(self._ends):
            end.abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while self._ends:
            await asyncio.sleep(0)

    def accepted(self) -> asyncio.Protocol:
        """The protocol of a connection that a role made."""
        near, far = _End(self), _End(self)
        near.other, far.other = far, near
        near.on_made = lambda: self.start(self._reach(near, far))
        return near

    def start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def know(self, end: _End) -> None:
        self._ends.add(end)

    def forget(self, end: _End) -> None:
        self._ends.discard(end)

    async def uncut(self) -> None:
        """Returns when the link is not cut off."""
        while self._weather.cut:
            await self._changed.wait()

    async def _reach(self, near: _End, far: _End) -> None:
        await self.uncut()
        try:
            await self._connect(lambda: far)
        except OSError:
            near.abort()


class _End(asyncio.Protocol):
    """One end of a connection: what it receives is what the other end writes."""

    other: _End

    def __init__(self, link: Link) -> None:
        self.on_made: Callable[[], None] = lambda: None
        self._link = link
        self._transport: asyncio.Transport | None = None
        self._held: deque[tuple[float, bytes]] = deque()
        self._held_bytes = 0
        self._free_s = 0.0
        self._pumping = False
        self._ended = False
        self._room = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Those of uvloop do not say that they are ones; both ways of a stream they are.
        self._transport = cast(asyncio.Transport, transport)
        self._link.know(self)
        self.on_made()
        if self._held or self._ended:
            self._pump_later()

    def data_received(self, data: bytes) -> None:
        self.other.take(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._link.forget(self)
        self.other.end()

    def pause_writing(self) -> None:
        self._room = False
        self.other.pause()

    def resume_writing(self) -> None:
        self._room = True
        self.other.resume()

    def pause(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def take(self, data: bytes) -> None:
        """Bytes to be written here, now or when the weather lets them through."""
        if self._transport is not None and not self._pumping and self._link.weather == FAIR:
            self._write(data)
            return
        now_s, weather = asyncio.get_running_loop().time(), self._link.weather
        self._free_s = max(self._free_s, now_s)
        if weather.bytes_per_s:
            self._free_s += len(data) / weather.bytes_per_s
        self._held.append((max(self._free_s, now_s + weather.delay_s), data))
        self._held_bytes += len(data)
        if self._held_bytes > MOST_HELD:
            self.other.pause()
        self._pump_later()

    def end(self) -> None:
        """The other end is gone: close after what is held was written."""
        self._ended = True
        self._pump_later()

    def _pump_later(self) -> None:
        if not self._pumping and self._transport is not None:
            self._pumping = True
            self._link.start(self._pump())

    async def _pump(self) -> None:
        assert self._transport is not None
        loop = asyncio.get_running_loop()
        while True:
            await self._link.uncut()
            if not self._held:
                break
            ready_s, data = self._held[0]
            if self._link.weather != FAIR and ready_s > loop.time():
                await asyncio.sleep(ready_s - loop.time())
                continue
            self._held.popleft()
            self._held_bytes -= len(data)
            self._write(data)
            if self._held_bytes <= MOST_HELD // 2 and self._room:
                self.other.resume()
        self._pumping = False
        if self._ended:
            self._transport.close()

    def _write(self, data: bytes) -> None:
        assert self._transport is not None
        if not self._transport.is_closing():
            self._transport.write(data)


async def tcp_link(host: str, port: int) -> tuple[Link, int]:
    """A link to `host:port`, and the port on the same host where roles find it."""
    loop = asyncio.get_running_loop()
    link = Link(lambda factory: loop.create_connection(factory, host, port))
    server = await loop.create_server(link.accepted, host, 0)
    await link.serve(server)
    return link, int(server.sockets[0].getsockname()[1])


async def unix_link(target: Path, listen: Path) -> Link:
    """A link to the unix socket `target` for whoever connects to `listen`. Raises `OSError`."""
    loop = asyncio.get_running_loop()
    link = Link(lambda factory: loop.create_unix_connection(factory, str(target)))
    return await link.serve(await loop.create_unix_server(link.accepted, str(listen)))
