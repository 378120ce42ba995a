"""Drive an ASGI app in the process: no socket, no client library, and every chunk of the body under control."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from starlette.types import ASGIApp


class Reply(msgspec.Struct):
    status: int
    headers: dict[str, str]
    body: bytes
    chunks_read: int  # how much of the request's body the app asked for

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


def call(
    app: ASGIApp,
    method: str,
    path: str,
    *,
    headers: dict[str, str] | Iterable[tuple[str, str]] = (),
    body: bytes | Sequence[bytes] = b"",
    disconnects: bool = False,
) -> Reply:
    """One request. A list as `body` comes in that many chunks, of a length that is not announced unless a header does;
    `disconnects` breaks off after the last one."""
    return asyncio.run(request(app, method, path, headers=headers, body=body, disconnects=disconnects))


async def request(
    app: ASGIApp,
    method: str,
    path: str,
    *,
    headers: dict[str, str] | Iterable[tuple[str, str]] = (),
    body: bytes | Sequence[bytes] = b"",
    disconnects: bool = False,
) -> Reply:
    chunks = [body] if isinstance(body, bytes) else list(body)
    pairs = list(headers.items() if isinstance(headers, dict) else headers)
    if isinstance(body, bytes) and "content-length" not in {name.lower() for name, _ in pairs}:
        pairs.append(("content-length", str(len(body))))
    plain_path, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": plain_path,
        "raw_path": plain_path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in pairs],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 80),
    }
    reply = Reply(0, {}, b"", 0)

    async def receive() -> dict[str, Any]:
        if reply.chunks_read >= len(chunks):
            return {"type": "http.disconnect"}
        chunk = chunks[reply.chunks_read]
        reply.chunks_read += 1
        more = disconnects or reply.chunks_read < len(chunks)
        return {"type": "http.request", "body": chunk, "more_body": more}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            reply.status = message["status"]
            reply.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
        else:
            reply.body += message.get("body", b"")

    await app(scope, receive, send)
    return reply
