"""No body is larger than the limit, whatever `Content-Length` says: bytes are counted as they come.

It acts when the body is first read, which is after the caller was admitted.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dissonance.errors import BodyTooLarge


class BodyLimit:
    """`max_body_bytes` > 0. Raises `BodyTooLarge` into whoever reads the body."""

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self._app = app
        self._limit = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        came = 0

        async def receive_counted() -> Message:
            nonlocal came
            if came == 0 and _announced(scope) > self._limit:
                raise self._too_large()
            message = await receive()
            if message["type"] == "http.request":
                came += len(message.get("body", b""))
                if came > self._limit:
                    raise self._too_large()
            return message

        await self._app(scope, receive_counted, send)

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(
            f"the body has more than {self._limit} bytes",
            where="body",
            fix="send fewer rows at once, or raise DISSONANCE_MAX_BODY_BYTES",
        )


def _announced(scope: Scope) -> int:
    """`Content-Length`, or 0 when there is none or it is no number (counting the bytes decides then)."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0
