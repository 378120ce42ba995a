"""Connections that cost nobody else: slow ones are closed, and there are never more than the process has room for.

uvicorn ends a connection that is idle between two requests, but waits for ever for the first one and for the rest of
one that began (Slowloris, CWE-400).
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Iterable

from dissonance.web.direct_protocol import DirectProtocol

MOST_DESCRIPTORS = 65_536
SHARE_FOR_CONNECTIONS = 0.9
"""Of the descriptors; above that a request is answered with 503. The rest is for engines, files and logs."""


def raise_descriptor_limit() -> None:
    """As far as this process may: shells still start with a limit that was made for `select`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def most_connections() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft = MOST_DESCRIPTORS if soft == resource.RLIM_INFINITY else min(soft, MOST_DESCRIPTORS)
    return int(SHARE_FOR_CONNECTIONS * soft)


class PunctualProtocol(DirectProtocol):
    """A connection, and when it must have a whole request; `due_s` is None while nothing is owed (loop time).

    `first_s`: seconds in which a new connection must begin its first request; `receive_s`: in which a request that
    began must be there whole.
    """

    first_s = 75.0
    receive_s = 30.0
    due_s: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.due_s = self.loop.time() + self.first_s

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.due_s = self.loop.time() + self.receive_s

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.due_s = None


async def sweep(connections: Iterable[object], every_s: float) -> None:
    """Close what is late, for ever."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(every_s)
        now_s = loop.time()
        for connection in list(connections):
            if not isinstance(connection, PunctualProtocol):
                continue
            if connection.due_s is not None and connection.due_s < now_s:
                connection.transport.abort()
            elif connection.idle_until_s is not None and connection.idle_until_s < now_s:
                connection.transport.close()
