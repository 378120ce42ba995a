"""HTTP is served to those who speak TLS 1.3 and to nobody else, also while certificates change."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from dissonance.security.tls import Tls, trusting
from dissonance.web.middleware.safe_headers import hardened
from dissonance.web.server import serve
from support.access import LocalAccess
from support.api import echo_app
from support.asgi import request
from support.certificates import (
    DAY_S,
    DUE_DAYS,
    clock_days_ago,
    hang_up,
    is_shut_out,
    live_in,
    older,
    shown_serial,
)

CHECK = "/v1/tasks/census/check"


@pytest.mark.parametrize(
    "context",
    [lambda tls: None, lambda tls: older(trusting(tls.authority)), lambda tls: ssl.create_default_context()],
    ids=["plain", "TLS 1.2", "another authority"],
)
def test_a_caller_is_shut_out(tmp_path: Path, context: Callable[[Tls], ssl.SSLContext | None]) -> None:
    async def live() -> None:
        tls, stop, port = live_in(tmp_path, clock_days_ago()), asyncio.Event(), asyncio.Future[int]()
        serving = asyncio.create_task(
            serve(echo_app(LocalAccess()), "127.0.0.1", 0, stop=stop, on_started=port.set_result, tls=tls.server)
        )
        assert await is_shut_out(await port, context(tls.tls))
        assert not await is_shut_out(await port, trusting(tls.tls.authority), b"GET /livez HTTP/1.0\r\n\r\n")
        stop.set()
        await serving

    asyncio.run(live())


def test_a_renewed_certificate_is_shown_to_new_callers_and_drops_none_that_is_there(tmp_path: Path) -> None:
    async def live() -> None:
        clock, stop, port = clock_days_ago(DUE_DAYS), asyncio.Event(), asyncio.Future[int]()
        tls = live_in(tmp_path, clock)
        serving = asyncio.create_task(
            serve(echo_app(LocalAccess()), "127.0.0.1", 0, stop=stop, on_started=port.set_result, tls=tls.server)
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", await port, ssl=trusting(tls.tls.authority))

        async def ask() -> bytes:
            writer.write(b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.partition(b":")[2]))
            return head.partition(b"\r\n")[0]

        assert await ask() == b"HTTP/1.1 200 OK"
        before = await shown_serial(await port, tls.tls.authority)
        clock.advance(DUE_DAYS * DAY_S)
        assert tls.refresh()
        assert await shown_serial(await port, tls.tls.authority) != before
        assert await ask() == b"HTTP/1.1 200 OK"
        await hang_up(writer)
        stop.set()
        await serving

    asyncio.run(live())


def test_answers_are_for_our_own_pages_by_tls_only() -> None:
    async def live() -> None:
        origin = {"origin": "https://elsewhere.example", "access-control-request-method": "POST"}
        for method, path in (("GET", "/livez"), ("OPTIONS", CHECK)):
            reply = await request(echo_app(LocalAccess()), method, path, headers=origin)
            assert reply.headers["strict-transport-security"] == "max-age=31536000"
            assert reply.headers["cross-origin-resource-policy"] == "same-origin"
            assert not [name for name in reply.headers if name.startswith("access-control-")]

    asyncio.run(live())


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (b"a=b", b"a=b; Secure; HttpOnly; SameSite=Strict"),
        (b"a=b; secure; HttpOnly; SameSite=Lax", b"a=b; secure; HttpOnly; SameSite=Lax"),
        (b"secure=1; Path=/", b"secure=1; Path=/; Secure; HttpOnly; SameSite=Strict"),
    ],
)
def test_a_cookie_is_hardened_where_its_maker_forgot(given: bytes, sent: bytes) -> None:
    assert hardened(given) == sent
