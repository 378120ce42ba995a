"""Answers that leave in one piece: head and body in one write, where the server can do that.

ASGI gives a server the head of an answer before its body, which uvicorn writes apart: two system calls, and each header
looked through by regular expressions, cost a short answer more than all else the server does for it. `PunctualProtocol`
offers this way as an ASGI extension; what goes through it is ours, and short.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

EXTENSION = "dissonance.whole_answer"

_OK = b"HTTP/1.1 200 OK\r\n"


def lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """
    >>> lines([(b"retry-after", b"1")])
    b'retry-after: 1\\r\\n'
    """
    return b"".join([b"%b: %b\r\n" % header for header in headers])


class WholeAnswer:
    """Of one request: writes status 200, header lines and body. False when it must be sent piece by piece.

    `sent`: whether it was written here.
    """

    __slots__ = ("_cycle", "sent")

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self.sent = False

    def __call__(self, head: bytes, body: bytes) -> bool:
        """`head`: lines as `lines` makes them, of safe values, without `content-length`."""
        cycle = self._cycle
        if cycle.disconnected or cycle.flow.write_paused or cycle.response_started or not cycle.keep_alive:
            return False
        self.sent = cycle.response_started = cycle.response_complete = True
        default = lines(cycle.default_headers)
        cycle.transport.write(b"%b%b%bcontent-length: %d\r\n\r\n%b" % (_OK, default, head, len(body), body))
        cycle.message_event.set()
        cycle.on_response()
        return True


def whole_answer(scope: Scope) -> WholeAnswer | None:
    """What the server offers for this request."""
    offered: WholeAnswer | None = scope.get("extensions", {}).get(EXTENSION)
    return offered
