"""What comes before a body, from anybody: a head without end is cut, and no second request hides in the first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from dissonance.web.connections import MOST_HEAD_BYTES
from support.access import LocalAccess
from support.api import echo_app
from support.wire import Wire, whole

PATH = "/v1/tasks/census/check"
PIECE = b"A" * 16_384


def told(story: Callable[[Wire, dict[str, str]], Awaitable[None]]) -> None:
    async def run() -> None:
        access = LocalAccess()
        wire = Wire(echo_app(access, max_body_bytes=200_000))
        await story(wire, {**access.header(), "content-type": "application/json"})
        wire.leave()

    asyncio.run(run())


@pytest.mark.parametrize(
    "begin",
    [
        b"GET /",
        b"GET / HTTP/1.1\r\nx-",
        b"GET / HTTP/1.1\r\nx: ",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1;",
    ],
    ids=["address", "name", "value", "chunk-extension"],
)
def test_a_head_without_end_is_refused_before_anybody_is_known(begin: bytes) -> None:
    async def story(wire: Wire, headers: dict[str, str]) -> None:
        wire.send(begin)
        sent = 0
        while not wire.is_closing():
            wire.send(PIECE)
            sent += len(PIECE)
            assert sent <= MOST_HEAD_BYTES + len(PIECE)

    told(story)


def test_a_head_that_is_too_large_is_told_so_and_hung_up_on() -> None:
    async def story(wire: Wire, headers: dict[str, str]) -> None:
        wire.send(b"GET / HTTP/1.1\r\nx: ", *[PIECE] * 5)
        reply = await wire.reply()
        assert (reply.status, reply.json()["type"]) == (431, "urn:dissonance:problem:head-too-large")
        assert reply.headers["connection"] == "close"
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert wire.is_closing()

    told(story)


def test_many_small_headers_are_as_much_as_a_large_one() -> None:
    async def story(wire: Wire, headers: dict[str, str]) -> None:
        wire.send(b"GET / HTTP/1.1\r\n", *[b"a: b\r\n" * 2_000] * 6)
        assert (await wire.reply()).status == 431

    told(story)


def test_trailers_without_end_are_cut_also_behind_a_large_body() -> None:
    async def story(wire: Wire, headers: dict[str, str]) -> None:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        wire.send(f"POST {PATH} HTTP/1.1\r\nhost: x\r\n{lines}transfer-encoding: chunked\r\n\r\n".encode())
        wire.send(b"18000\r\n" + b" " * 0x18000 + b"\r\n0\r\nx: ", *[PIECE] * 5)
        assert wire.is_closing()

    told(story)


def test_a_head_below_the_limit_and_a_body_in_the_smallest_chunks_are_taken() -> None:
    async def story(wire: Wire, headers: dict[str, str]) -> None:
        wire.send(whole(PATH, {**headers, "x-long": "a" * 60_000}, b'{"rows": [{"a": 1}]}'))
        assert (await wire.reply()).status == 200
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        wire.send(f"POST {PATH} HTTP/1.1\r\nhost: x\r\n{lines}transfer-encoding: chunked\r\n\r\n".encode())
        body = b'{"rows": [{"a": 1}]}' + b" " * 30_000
        wire.send(*[b"1\r\n%c\r\n" % byte for byte in body], b"0\r\n\r\n")
        assert (await wire.reply()).status == 200

    told(story)


SMUGGLED = b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n"


@pytest.mark.parametrize(
    "lines",
    [
        b"content-length: 0\r\ntransfer-encoding: chunked",
        b"transfer-encoding: chunked\r\ncontent-length: 5",
        b"content-length: 0\r\ncontent-length: 35",
        b"content-length: +5",
        b"content-length: 5 5",
        b"content-length: 99999999999999999999999",
        b"transfer-encoding: xchunked",
        b"transfer-encoding : chunked",
        b"x: a\n b",
        b"x: a\0b",
        b"x: a\r\n folded",
    ],
)
def test_a_head_that_two_servers_could_read_in_two_ways_is_refused(lines: bytes) -> None:
    """RFC 9112, sections 5.1, 5.2, 6.1 and 6.3: the answer to the first is a refusal, and there is no second one."""

    async def story(wire: Wire, headers: dict[str, str]) -> None:
        given = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
        wire.send(b"POST %b HTTP/1.1\r\nhost: x\r\n%b%b\r\n\r\n%b" % (PATH.encode(), given, lines, SMUGGLED))
        assert (await wire.reply()).status == 400
        assert (await wire.reply()).status == 0

    told(story)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/tasks/../../etc/passwd",
        "/v1/tasks/%2e%2e%2f%2e%2e%2fetc%2fpasswd/check",
        "/v1/tasks/census%00/check/x",
        "//etc/passwd",
        "http://169.254.169.254/latest/meta-data",
        "/v1/tasks/census/check%0d%0aset-cookie:%20a=b",
    ],
)
def test_an_address_that_leads_elsewhere_leads_nowhere(path: str) -> None:
    async def story(wire: Wire, headers: dict[str, str]) -> None:
        wire.send(whole(path, headers, b"{}"))
        reply = await wire.reply()
        assert reply.status in (400, 404)
        assert "set-cookie" not in reply.headers
        assert b"root:" not in reply.body

    told(story)


@pytest.mark.parametrize("given", ["a\tb", "x" * 65, "id\x0bset-cookie: a=b", "<script>", "ü"])
def test_an_id_of_a_request_that_is_no_plain_word_is_not_repeated(given: str) -> None:
    async def story(wire: Wire, headers: dict[str, str]) -> None:
        wire.send(whole(PATH, {**headers, "x-request-id": given}, b'{"rows": []}'))
        reply = await wire.reply()
        assert reply.status in (200, 400)
        assert reply.headers.get("x-request-id") != given
        assert given.encode() not in reply.body

    told(story)
