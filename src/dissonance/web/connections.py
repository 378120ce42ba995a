"""Connections that cost nobody else: slow ones are closed, and there are never more than the process has room for.

uvicorn ends a connection that is idle between two requests, but waits for ever for the first one and for the rest of
one that began (Slowloris, CWE-400); and it keeps a head whole, however long it is, of whoever sends it (CWE-770).
"""

from __future__ import annotations

import asyncio
import logging
import resource
from collections.abc import Iterable

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from dissonance.errors import HeadTooLarge
from dissonance.telemetry.logs import log
from dissonance.telemetry.names import LogAction
from dissonance.web.direct import header_lines
from dissonance.web.direct_protocol import DirectProtocol
from dissonance.web.middleware.safe_headers import HEADERS as SAFE_HEADERS
from dissonance.web.problems import problem_reply

MOST_DESCRIPTORS = 65_536
SHARE_FOR_CONNECTIONS = 0.9
"""Of the descriptors; above that a request is answered with 503. The rest is for engines, files and logs."""

MOST_HEAD_BYTES = 65_536
"""Of method, address and headers, before anybody is known; and of trailers, and what frames the chunks of a body."""

FRAME_BYTES = 8
"""Beside every byte of a body: chunks of one byte are not forbidden (RFC 9112, section 7.1)."""

_logger = logging.getLogger(__name__)


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


def _head_refused() -> bytes:
    error = HeadTooLarge(
        f"method, address and headers have more than {MOST_HEAD_BYTES} bytes",
        where="headers",
        fix="send fewer or shorter headers",
    )
    reply = problem_reply(error, {"path": ""})
    lines = header_lines([*reply.raw_headers, *SAFE_HEADERS, (b"connection", b"close")])
    return b"%b%b\r\n%b" % (STATUS_LINE[error.status], lines, bytes(reply.body))


_HEAD_REFUSED = _head_refused()


class PunctualProtocol(DirectProtocol):
    """A connection, and when it must have a whole request; `due_s` is None while nothing is owed (loop time).

    `first_s`: seconds in which a new connection must begin its first request; `receive_s`: in which a request that
    began must be there whole.
    """

    first_s = 75.0
    receive_s = 30.0
    due_s: float | None = None
    _of_head = 0
    _of_body = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.due_s = self.loop.time() + self.first_s

    def data_received(self, data: bytes) -> None:
        """`_of_head` counts what came of a request and is no body, as soon as some of it is still owed."""
        self._of_body = 0
        super().data_received(data)
        if not self._is_receiving:
            self._of_head = 0
            return
        self._of_head = max(0, self._of_head + len(data) - (1 + FRAME_BYTES) * self._of_body)
        if self._of_head > MOST_HEAD_BYTES and not self.transport.is_closing():
            self._refuse_head()

    def _refuse_head(self) -> None:
        """Nobody knows who it is: it is answered where no other answer is under way, and hung up on."""
        log(_logger, LogAction.HTTP_ANSWERED, status=HeadTooLarge.status, client=self.client[0] if self.client else "")
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(_HEAD_REFUSED)
        self._is_receiving = False
        self.transport.close()

    def on_body(self, body: bytes) -> None:
        self._of_body += len(body)
        super().on_body(body)

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
