"""What Authlib asks for, one after the other and waiting: clients and codes of the store, asked on its event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from dissonance.ports.clock import Clock
from dissonance.ports.store import Store
from dissonance.security.identity import MICROSECONDS
from dissonance.security.oauth_clients import COMMAND_LINE, OAuthClient
from dissonance.security.people import CODE_S, LoginCode
from dissonance.security.revocations import Revocation, Revoked
from dissonance.security.secret_texts import text_digest

PERSON_S = 8 * 3600
"""Seconds that a token of somebody who logged in is valid: a working day; revoking it takes effect in seconds."""

CLIENT_S = 900
"""Seconds of a program's own token, which can have another at any time."""

T = TypeVar("T")


class Records:
    """Not for the thread of `loop`. Methods raise `EngineUnavailable`."""

    def __init__(self, store: Store, clock: Clock, loop: asyncio.AbstractEventLoop) -> None:
        self._store = store
        self._clock = clock
        self._loop = loop

    def client(self, client_id: str) -> OAuthClient | None:
        """None for one that is not there, or has expired."""
        if client_id == COMMAND_LINE.client_id:
            return COMMAND_LINE
        known = self._wait(self._store.oauth_client(client_id))
        return known if known is not None and known.expires_at_us > self._clock.now_us() else None

    def code_expires_at_us(self) -> int:
        return self._clock.now_us() + CODE_S * MICROSECONDS

    def keep(self, code: LoginCode) -> None:
        """Codes are remembered as long as the tokens they were changed for."""
        forget_before_us = self._clock.now_us() - PERSON_S * MICROSECONDS
        self._wait(self._store.keep_login_code(code, forget_before_us))

    def take(self, code: str) -> LoginCode | None:
        """What a code stands for, once and in time. When it comes again, two had it, and the token that the first of
        them got is revoked (RFC 6749 section 4.1.2); every process hears of that within seconds."""
        taken = self._wait(self._store.take_login_code(text_digest(code)))
        if taken is None:
            return None
        now_us = self._clock.now_us()
        if taken.times > 1:
            reason = "the code of its login was used again"
            self._wait(
                self._store.revoke(
                    Revocation(
                        what=Revoked.TOKEN,
                        value=taken.code.token_id,
                        revoked_at_us=now_us,
                        by="local issuer",
                        reason=reason,
                    )
                )
            )
            return None
        return taken.code if taken.code.expires_at_us > now_us else None

    def _wait(self, asked: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(asked, self._loop).result()
