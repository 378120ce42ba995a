"""Drive an app by the bytes of HTTP, through the server's own protocol class, without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp
from uvicorn.server import ServerState

from dissonance.web.connections import PunctualProtocol
from dissonance.web.server import _configuration
from support.asgi import Reply

GRACE_S = 1


class Wire(asyncio.Transport):
    """A connection, made inside a running loop. `written` is what the server sent and nobody has read yet."""

    def __init__(self, app: ASGIApp, state: ServerState | None = None) -> None:
        super().__init__({"peername": ("127.0.0.1", 50_000), "sockname": ("127.0.0.1", 80)})
        self.written = b""
        self.reading = True
        self._closing = False
        self._wrote = asyncio.Event()
        configuration = _configuration(app, GRACE_S, PunctualProtocol, None)
        configuration.load()
        self.protocol = PunctualProtocol(configuration, state or ServerState(), {})
        self.protocol.connection_made(self)

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.protocol.data_received(piece)

    async def reply(self) -> Reply:
        """The next answer; status 0 when the connection ends before it."""
        while (reply := self._next()) is None:
            if self._closing:
                return Reply(0, {}, b"", 0)
            self._wrote.clear()
            await self._wrote.wait()
        return reply

    def leave(self) -> None:
        """The client goes away."""
        self._closing = True
        self.protocol.connection_lost(None)

    def _next(self) -> Reply | None:
        head, found, rest = self.written.partition(b"\r\n\r\n")
        if not found:
            return None
        status, *lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        length = int(headers["content-length"])
        if len(rest) < length:
            return None
        self.written = rest[length:]
        return Reply(int(status.split(" ")[1]), headers, rest[:length], 0)

    def write(self, data: Any) -> None:
        self.written += bytes(data)
        self._wrote.set()

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._wrote.set()
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


def head(path: str, headers: Mapping[str, str], method: str = "POST") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: x", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def whole(path: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """A request with a body of announced length."""
    return head(path, {**headers, "content-length": str(len(body))}) + body


async def request(app: ASGIApp, path: str, headers: Mapping[str, str], body: bytes = b"") -> Reply:
    """One request over a connection of its own."""
    wire = Wire(app)
    wire.send(whole(path, headers, body))
    reply = await wire.reply()
    wire.leave()
    return reply


def call(app: ASGIApp, path: str, headers: Mapping[str, str], body: bytes = b"") -> Reply:
    return asyncio.run(request(app, path, headers, body))
