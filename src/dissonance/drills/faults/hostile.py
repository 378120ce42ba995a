"""Faults that clients are: a flood of bad requests, slow ones among them, and connections that are opened and left."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import count, cycle
from typing import NamedTuple
from urllib.parse import urlsplit

import aiohttp
import psutil

from dissonance.adapters.embedded.loopback import HOST
from dissonance.drills import census
from dissonance.drills.client import connector_to
from dissonance.drills.faults.scene import Fault, Scene

FLOOD, IDLE = "flood", "idle-connections"
FLOOD_PER_S = 200.0
"""Bad requests a second: as many as good ones at the default rate."""

OVERSIZED_BYTES = 24 * 1024 * 1024
OVERSIZED_EVERY = 50
"""Every so manieth bad request is an oversized one, which costs the sender most."""

SLOW_CLIENTS = 200
SLOW_EVERY_S = 0.5
SHARE_OF_DESCRIPTORS = 0.8
DESCRIPTORS_KEPT = 1_000
"""Of this process, for everything else it does."""

MOST_CONNECTIONS = 24_000
"""There are 28,000 ports to come from to one address (ip_local_port_range of Linux)."""

AT_ONCE = 100
PAUSE_S = 0.05
"""Connections are opened, and closed, so many at once and then a pause: 2,000 a second at the most."""


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


def flood() -> Fault:
    """Through the load balancer, as anybody can; with slow senders of headers and bodies beside it (slow loris)."""

    async def act(scene: Scene) -> None:
        statuses: Counter[str] = Counter()
        url = f"{scene.url}/v1/tasks/{census.TASK}/predict"
        slow = asyncio.create_task(_slow_clients(scene, statuses))
        try:
            await _send(url, scene, statuses)
        finally:
            slow.cancel()
            with suppress(asyncio.CancelledError):
                await slow
        scene.figures |= {f"flood_{name}": statuses[name] for name in ("sent", "refused", "broken_off", "not_refused")}
        scene.figures["flood_slow_clients"] = statuses["slow_clients"]

    return Fault(FLOOD, "proposers", act)


async def _send(url: str, scene: Scene, statuses: Counter[str]) -> None:
    loop = asyncio.get_running_loop()
    begun_s, bad = loop.time(), bad_requests(scene.token)
    timeout = aiohttp.ClientTimeout(total=10.0)
    connector = connector_to(scene.stand.system.trust())
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session, asyncio.TaskGroup() as tasks:
        for number in range(round(FLOOD_PER_S * scene.hold_s)):
            await asyncio.sleep(max(0.0, begun_s + number / FLOOD_PER_S - loop.time()))
            tasks.create_task(_send_one(session, url, next(bad), statuses))


async def _send_one(session: aiohttp.ClientSession, url: str, bad: Bad, statuses: Counter[str]) -> None:
    statuses["sent"] += 1
    try:
        async with session.post(url, data=bad.body, headers=bad.headers) as response:
            await response.read()
            statuses["refused" if response.status in bad.refused_by else "not_refused"] += 1
    except (aiohttp.ClientError, TimeoutError):
        statuses["broken_off"] += 1  # whoever sends too much may be hung up on


async def _slow_clients(scene: Scene, statuses: Counter[str]) -> None:
    """Half of them send a header a letter at a time, half a body."""
    parts, tls = urlsplit(scene.url), scene.stand.system.trust()
    head = f"POST /v1/tasks/{census.TASK}/predict HTTP/1.1\r\nHost: {parts.netloc}\r\n"
    body = (
        f"{head}Authorization: Bearer {scene.token}\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n"
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


def idle_connections(group: str = "proposer-1") -> Fault:
    """Connections to a replica, up to 80 % of its descriptor limit, opened and left for a while."""

    async def act(scene: Scene) -> None:
        process = psutil.Process(scene.stand.system.pid(group))
        limit = int(process.rlimit(resource.RLIMIT_NOFILE)[0])
        wanted = connections_to_open(limit, process.num_fds(), _own_room())
        opened: list[socket.socket] = []
        try:
            await _open(opened, wanted, urlsplit(scene.stand.system.group_url(group)).port or 0)
            await asyncio.sleep(max(scene.hold_s, 5.0))
            scene.figures |= {
                "idle_connections": len(opened),
                "idle_connections_held": process.num_fds(),
                "idle_descriptor_limit": limit,
            }
        finally:
            await _close(opened)

    return Fault(IDLE, group, act)


def connections_to_open(limit: int, used: int, room: int) -> int:
    """
    >>> connections_to_open(20_000, 60, 19_000), connections_to_open(1_000_000, 60, 19_000)
    (15940, 19000)
    """
    return max(0, min(int(limit * SHARE_OF_DESCRIPTORS) - used, room, MOST_CONNECTIONS))


def _own_room() -> int:
    """How many descriptors this process may still open, once its soft limit is its hard one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return (MOST_CONNECTIONS if hard == resource.RLIM_INFINITY else hard) - DESCRIPTORS_KEPT


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
