"""An answer that leaves in one piece is the same answer, and leaves the connection as any other does."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from dissonance.security.permissions import Permission
from dissonance.telemetry.metrics import Metrics
from dissonance.web.routes import ProtectedRouter
from support.access import LocalAccess
from support.api import echo_app
from support.asgi import call
from unit.web.test_server import served

PATH = "/v1/tasks/census/predict"
JSON = "application/json"
SERVERS_OWN = {"date"}


def router() -> ProtectedRouter:
    made = ProtectedRouter()

    async def directly(scope: Scope, body: bytes) -> bytes:
        await asyncio.sleep(0.01 if body == b"1" else 0.0)
        return b"[" + body + b"]"

    @made.protected("POST", "/v1/tasks/{task}/predict", permission=Permission.PREDICT, direct=directly)
    async def predict(request: Request, task: str) -> Response:
        """Answer the long way."""
        raise AssertionError("plain requests are answered directly")

    return made


def request(access: LocalAccess, body: bytes, *more: str) -> bytes:
    head = [f"POST {PATH} HTTP/1.1", "Host: x", f"Authorization: {access.header()['authorization']}"]
    head += [f"Content-Type: {JSON}", f"Content-Length: {len(body)}", "X-Request-Id: one", *more]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


async def answers(sent: bytes, access: LocalAccess, count: int, metrics: Metrics | None = None) -> list[bytes]:
    """Each with its head, up to the byte that ends its body."""
    async with served(echo_app(access, routers=[router()], metrics=metrics), asyncio.Event()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        received = [await reader.readuntil(b"]") for _ in range(count)]
        if b"connection: close" in received[-1]:
            assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        return received


def test_it_has_the_headers_of_an_answer_in_pieces() -> None:
    access = LocalAccess()
    (whole,) = asyncio.run(answers(request(access, b"12"), access, 1))
    status, *lines = whole.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    given = {**access.header(), "content-type": JSON, "content-length": "2", "x-request-id": "one"}
    pieces = call(echo_app(access, routers=[router()]), "POST", PATH, headers=given, body=b"12")
    assert (status, whole.rpartition(b"\r\n\r\n")[2]) == ("HTTP/1.1 200 OK", pieces.body)
    assert {name: value for name, value in headers.items() if name not in SERVERS_OWN} == dict(pieces.headers)


def test_it_is_counted_with_its_status_as_any_other() -> None:
    access, metrics = LocalAccess(), Metrics()
    asyncio.run(answers(request(access, b"12") + request(access, b"22"), access, 2, metrics))
    assert 'route="/v1/tasks/{task}/predict",status="200"} 2.0' in metrics.text().decode()
    assert 'status="499"' not in metrics.text().decode()


def test_requests_that_came_together_are_answered_in_their_order() -> None:
    access = LocalAccess()
    received = asyncio.run(answers(request(access, b"1") + request(access, b"22") + request(access, b"3"), access, 3))
    assert [answer.rpartition(b"\r\n\r\n")[2] for answer in received] == [b"[1]", b"[22]", b"[3]"]


def test_a_connection_that_shall_be_closed_is_told_so_and_closed() -> None:
    access = LocalAccess()
    (answer,) = asyncio.run(answers(request(access, b"12", "Connection: close"), access, 1))
    assert b"connection: close" in answer and answer.endswith(b"[12]")
