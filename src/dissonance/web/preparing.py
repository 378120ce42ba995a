"""The verifier of a process: it judges by what is here, and can look again before it says no (`rate_limits.Verifier`).

What is here may be too old by a moment: a key that an issuer began to sign with, an API key that was just made. Then
the request goes the long way and waits for that, once; all others are judged without waiting.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from dissonance.security.verifier import TokenVerifier

Refresh = Callable[[], Awaitable[None]]


class PreparingVerifier:
    """`refreshes`: by what `TokenVerifier.lack` names, what gets it; each bounds by itself how often it does so."""

    def __init__(self, verifier: TokenVerifier, refreshes: Mapping[str, Refresh]) -> None:
        self._refreshes = refreshes
        self._lack = verifier.lack
        # Handed on as they are: they are asked for every request.
        self.verify = verifier.verify
        self.verify_again = verifier.verify_again
        self.remembers = verifier.remembers

    def at_hand(self, token: str) -> bool:
        return self._lack(token) not in self._refreshes

    async def prepare(self, token: str) -> None:
        refresh = self._refreshes.get(self._lack(token) or "")
        if refresh is not None:
            await refresh()
