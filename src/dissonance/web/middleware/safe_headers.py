"""Headers that keep a browser from doing more with an answer than reading it (OWASP REST security cheat sheet).

No answer allows another origin to read it: there is no header of CORS, and a preflight is answered as any method that
is not there.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

YEAR_S = 31_536_000
HEADERS = (
    (b"strict-transport-security", b"max-age=%d" % YEAR_S),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
)
"""The first also where a setting lets HTTP be plain: then a proxy before us speaks TLS (RFC 6797, 7.2)."""

POLICY = b"content-security-policy"
"""A page for people says its own, which must not be weaker in anything but what the page is made of."""

SET_COOKIE = b"set-cookie"
OF_A_COOKIE = ((b"secure", b"; Secure"), (b"httponly", b"; HttpOnly"), (b"samesite", b"; SameSite=Strict"))
"""Attributes that every cookie has, and how each is said where it is missing (RFC 6265bis, 4.1.2)."""


class SafeHeaders:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = [
                    (name, hardened(value) if name.lower() == SET_COOKIE else value)
                    for name, value in message["headers"]
                ]
                message["headers"] = [
                    *given,
                    *(each for each in HEADERS if each[0] != POLICY or not _has_policy(given)),
                ]
            await send(message)

        await self._app(scope, receive, send_safely)


def _has_policy(headers: list[tuple[bytes, bytes]]) -> bool:
    return any(name.lower() == POLICY for name, _ in headers)


def hardened(cookie: bytes) -> bytes:
    """A cookie that only we get, only by TLS, and no script.

    >>> hardened(b"session=x; Path=/; SameSite=Lax")
    b'session=x; Path=/; SameSite=Lax; Secure; HttpOnly'
    """
    said = {attribute.partition(b"=")[0].strip().lower() for attribute in cookie.split(b";")[1:]}
    return cookie + b"".join(text for name, text in OF_A_COOKIE if name not in said)
