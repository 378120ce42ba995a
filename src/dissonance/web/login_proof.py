"""That a form was sent from the page that this browser was shown, for the same request (CSRF; RFC 9700 section 4.7).

The page says an HMAC of the browser's cookie and of the query it was shown at. No other site can read the cookie or
the page, and a form sent to another query does not fit. Every replica can check it, and none keeps anything.
"""

from __future__ import annotations

import hashlib
import hmac
from http.cookies import CookieError, SimpleCookie

from dissonance.ports.clock import Randomness

COOKIE = "__Host-dissonance-login"
"""The prefix makes browsers refuse one without `Secure`, of a whole domain, or of another path (RFC 6265bis, 4.1.3)."""

COOKIE_BYTES = 32
COOKIE_S = 900


class LoginProofs:
    """`key`: 32 bytes that all replicas have."""

    def __init__(self, key: bytes, randomness: Randomness) -> None:
        self._key = key
        self._randomness = randomness

    def new_cookie(self) -> str:
        return self._randomness.token(COOKIE_BYTES).hex()

    def proof(self, cookie: str, query: str) -> str:
        """
        >>> from dissonance.adapters.memory.clock import SeededRandomness
        >>> proofs = LoginProofs(bytes(32), SeededRandomness(1))
        >>> proofs.holds("", "q", proofs.proof("", "q")), proofs.holds("c", "q", proofs.proof("c", "q"))
        (False, True)
        """
        return hmac.new(self._key, f"{cookie}\0{query}".encode(), hashlib.sha256).hexdigest()

    def holds(self, cookie: str, query: str, proof: str) -> bool:
        """Never without a cookie."""
        return bool(cookie) and hmac.compare_digest(self.proof(cookie, query).encode(), proof.encode())


def set_cookie(cookie: str) -> str:
    """The header. `web.middleware.safe_headers` would add what is missing; a prefix wants it said."""
    return f"{COOKIE}={cookie}; Path=/; Max-Age={COOKIE_S}; Secure; HttpOnly; SameSite=Strict"


def cookie_in(header: str) -> str:
    """Of the header `Cookie`; empty where it is not there.

    >>> cookie_in("theme=dark; __Host-dissonance-login=ab12")
    'ab12'
    """
    try:
        found = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found is not None else ""
