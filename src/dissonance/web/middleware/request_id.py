"""Every request has an id: the client's `X-Request-Id` when it is a short plain word, else one of ours.

It is in the answer's header, in problems and in the log.
"""

from __future__ import annotations

import re
from itertools import count

from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = b"x-request-id"
PLAIN = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_KEY = "dissonance.request_id"


def request_id(scope: Scope) -> str:
    """The id of the request, or "" outside of one."""
    known: str = scope.get(_KEY, "")
    return known


class RequestIds:
    """Ours are `<prefix>-<number>`; `prefix` is random per process, which spares a draw per request."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._numbers = count(1)

    def give(self, scope: Scope) -> tuple[bytes, bytes]:
        """The request has an id from now on; the header that says it in the answer."""
        for name, value in scope["headers"]:
            if name == HEADER and PLAIN.fullmatch(value):
                scope[_KEY] = value.decode()
                return HEADER, value
        return self.give_ours(scope)

    def give_ours(self, scope: Scope) -> tuple[bytes, bytes]:
        """As `give`, for a request that came with no id."""
        scope[_KEY] = identifier = f"{self._prefix}-{next(self._numbers):x}"
        return HEADER, identifier.encode()


class RequestId:
    def __init__(self, app: ASGIApp, ids: RequestIds) -> None:
        self._app = app
        self._ids = ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        header = self._ids.give(scope)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], header]
            await send(message)

        await self._app(scope, receive, send_with_id)
