"""Clients that are hostile, as a process of their own: what they spend on themselves is not the system's doing, nor may
it keep those waiting whose answers are measured. Told what to do by one `Attack` as JSON on its input; it prints one
JSON object a line.
"""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import ssl
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import count, cycle
from typing import NamedTuple
from urllib.parse import urlsplit

import aiohttp
import msgspec

from dissonance.adapters.embedded.loopback import HOST
from dissonance.drills.client import connector_to
from dissonance.security.tls import trusting

FLOOD_PER_S = 200.0
"""Bad requests a second: as many as good ones at the default rate."""

OVERSIZED_BYTES = 24 * 1024 * 1024
OVERSIZED_EVERY = 50
"""Every so manieth bad request is an oversized one, which costs the sender most."""

SLOW_CLIENTS = 200
SLOW_EVERY_S = 0.5

AT_ONCE = 100
PAUSE_S = 0.05
"""Connections are opened, and closed, so many at once and then a pause: 2,000 a second at the most."""

NICE = 10
"""Where clients have machines of their own, they take nothing from the system's."""


class Attack(msgspec.Struct, frozen=True):
    """For `hold_s` seconds: bad requests to `url`, whose certificate `authority` (a file) vouches for; or, where `idle`
    is not 0, so many connections to its port, opened and left."""

    url: str
    token: str
    authority: str
    hold_s: float
    idle: int = 0


class Bad(NamedTuple):
    """A request that must be refused, and by which statuses."""

    body: bytes
    headers: dict[str, str]
    refused_by: frozenset[int]


def bad_requests(token: str) -> Iterator[Bad]:
    """Without end: malformed, mistyped, unknown, unauthorised, of the wrong type, too deep, now and then too large."""
    given = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    kinds = cycle(
        [
            Bad(b'{"rows": [{"AGEP": 4', given, frozenset({400})),
            Bad(b"\xff\xfe\x00", given, frozenset({400})),
            Bad(b'{"rows": [{"AGEP": "old", "SCHL": null}]}', given, frozenset({400, 422})),
            Bad(b'{"rows": [{"nobody": 1}]}', given, frozenset({400, 422})),
            Bad(b'{"rows": ' + b"[" * 20_000, given, frozenset({400, 422})),
            Bad(b'{"rows": [{"AGEP": NaN}]}', given, frozenset({400, 422})),
            Bad(b"{}", {"Content-Type": "application/json"}, frozenset({401})),
            Bad(b"{}", {**given, "Authorization": "Bearer " + "x" * 600}, frozenset({401, 429})),
            Bad(b"{}", {**given, "Authorization": f"Bearer {token[:-4]}AAAA"}, frozenset({401, 429})),
            Bad(b"a,b\n1,2\n", {**given, "Content-Type": "text/csv"}, frozenset({400, 415})),
        ]
    )
    oversized = Bad(b'{"rows": [' + b" " * OVERSIZED_BYTES + b"]}", given, frozenset({413}))
    for number in count(1):
        yield oversized if number % OVERSIZED_EVERY == 0 else next(kinds)


async def flood(attack: Attack) -> Counter[str]:
    """With slow senders of headers and bodies beside it (slow loris)."""
    statuses: Counter[str] = Counter()
    tls = trusting(attack.authority)
    slow = asyncio.create_task(_slow_clients(attack, tls, statuses))
    try:
        await _send(attack, tls, statuses)
    finally:
        slow.cancel()
        with suppress(asyncio.CancelledError):
            await slow
    return statuses


async def _send(attack: Attack, tls: ssl.SSLContext, statuses: Counter[str]) -> None:
    loop = asyncio.get_running_loop()
    begun_s, bad = loop.time(), bad_requests(attack.token)
    timeout = aiohttp.ClientTimeout(total=10.0)
    connector = connector_to(tls)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session, asyncio.TaskGroup() as tasks:
        for number in range(round(FLOOD_PER_S * attack.hold_s)):
            await asyncio.sleep(max(0.0, begun_s + number / FLOOD_PER_S - loop.time()))
            tasks.create_task(_send_one(session, attack.url, next(bad), statuses))


async def _send_one(session: aiohttp.ClientSession, url: str, bad: Bad, statuses: Counter[str]) -> None:
    statuses["sent"] += 1
    try:
        async with session.post(url, data=bad.body, headers=bad.headers) as response:
            await response.read()
            statuses["refused" if response.status in bad.refused_by else "not_refused"] += 1
    except (aiohttp.ClientError, TimeoutError):
        statuses["broken_off"] += 1  # whoever sends too much may be hung up on


async def _slow_clients(attack: Attack, tls: ssl.SSLContext, statuses: Counter[str]) -> None:
    """Half of them send a header a letter at a time, half a body."""
    parts = urlsplit(attack.url)
    head = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
    body = (
        f"{head}Authorization: Bearer {attack.token}\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n"
    )

    async def drip(begin: str) -> None:
        with suppress(OSError):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=tls)
            statuses["slow_clients"] += 1
            try:
                writer.write(begin.encode())
                while True:
                    writer.write(b"X")
                    await writer.drain()
                    await asyncio.sleep(SLOW_EVERY_S)
            finally:
                writer.close()

    async with asyncio.TaskGroup() as tasks:
        for number in range(SLOW_CLIENTS):
            tasks.create_task(drip(head if number % 2 else body))


async def idle(attack: Attack) -> None:
    """Says how many are open, once they are, and again before they are closed."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    opened: list[socket.socket] = []
    try:
        await _open(opened, attack.idle, urlsplit(attack.url).port or 0)
        _say({"idle_connections": len(opened)})
        await asyncio.sleep(attack.hold_s)
        _say({"idle_connections": len(opened)})
    finally:
        await _close(opened)


async def _open(opened: list[socket.socket], wanted: int, port: int) -> None:
    """Not faster than they are taken: a queue that is full would make the kernel wait, and us with it.

    Raises `OSError`, with what was opened until then in `opened`.
    """
    loop = asyncio.get_running_loop()
    for start in range(0, wanted, AT_ONCE):
        for _ in range(min(AT_ONCE, wanted - start)):
            connection = socket.socket()
            connection.setblocking(False)
            opened.append(connection)
        await asyncio.gather(*(loop.sock_connect(each, (HOST, port)) for each in opened[start:]))
        await asyncio.sleep(PAUSE_S)


async def _close(opened: list[socket.socket]) -> None:
    for start in range(0, len(opened), AT_ONCE):
        for each in opened[start : start + AT_ONCE]:
            each.close()
        await asyncio.sleep(PAUSE_S)


def _say(figures: dict[str, int]) -> None:
    sys.stdout.write(msgspec.json.encode(figures).decode() + "\n")
    sys.stdout.flush()


def main() -> None:
    os.nice(NICE)
    attack = msgspec.json.decode(sys.stdin.buffer.read(), type=Attack)
    if attack.idle:
        asyncio.run(idle(attack))
    else:
        _say(dict(asyncio.run(flood(attack))))


if __name__ == "__main__":
    main()
