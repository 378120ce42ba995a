"""What Authlib asks for, one after the other and waiting: clients and codes of the store, asked on its event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from dissonance.ports.clock import Clock
from dissonance.ports.store import Store
from dissonance.security.client_assertions import Assertion
from dissonance.security.identity import MICROSECONDS
from dissonance.security.oauth_clients import COMMAND_LINE, OAuthClient
from dissonance.security.people import CODE_S, LoginCode, Person
from dissonance.security.refresh_tokens import LOGIN_S, KnownRefresh, PersonLogin, RefreshToken, id_in
from dissonance.security.revocations import Revocation, Revoked
from dissonance.security.secret_texts import text_digest

PERSON_S = 900
"""Seconds that an access token of somebody who logged in is valid: their client has a refresh token, too."""

CLIENT_S = 900
"""Seconds of a program's own token, which can have another at any time."""

AGAIN = "its refresh token was used again"

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

    def use(self, assertion: Assertion) -> bool:
        """Whether it is the first time, at whichever replica."""
        return self._wait(self._store.use_assertion(assertion, self.now_us()))

    def now_us(self) -> int:
        return self._clock.now_us()

    def code_expires_at_us(self) -> int:
        return self._clock.now_us() + CODE_S * MICROSECONDS

    def keep(self, code: LoginCode) -> None:
        """Codes are remembered as long as the logins that they began."""
        forget_before_us = self._clock.now_us() - LOGIN_S * MICROSECONDS
        self._wait(self._store.keep_login_code(code, forget_before_us))

    def take(self, code: str) -> LoginCode | None:
        """What a code stands for, once and in time. When it comes again, two had it, and the token that the first of
        them got is revoked (RFC 6749 section 4.1.2); every process hears of that within seconds."""
        taken = self._wait(self._store.take_login_code(text_digest(code)))
        if taken is None:
            return None
        now_us = self._clock.now_us()
        if taken.times > 1:
            self._revoke(taken.code.token_id, "the code of its login was used again")
            return None
        return taken.code if taken.code.expires_at_us > now_us else None

    def person(self, name: str) -> Person | None:
        return self._wait(self._store.person(name))

    def begin(self, login: PersonLogin, first: RefreshToken) -> bool:
        """Whether the person is still there."""
        return self._wait(self._store.begin_login(login, first, self.now_us()))

    def known_refresh(self, text: str) -> KnownRefresh | None:
        return self._wait(self._store.refresh_token(text_digest(text))) if id_in(text) is not None else None

    def refreshing(self, text: str) -> KnownRefresh | None:
        """What a refresh token stands for while it may be used. One that was used already ends its login (RFC 9700
        section 4.14.2), and so does one of a login that was revoked."""
        known = self.known_refresh(text)
        if known is not None and (known.used or known.revoked):
            self.end(known.login, "it was revoked" if known.revoked else AGAIN)
            return None
        return known if known is not None and known.token.expires_at_us > self.now_us() else None

    def replace(self, known: KnownRefresh, by: RefreshToken) -> bool:
        """Whether it was the first time. Else the login is over."""
        if self._wait(self._store.replace_refresh_token(known.token.digest, by)):
            return True
        self.end(known.login, AGAIN)
        return False

    def end(self, login: PersonLogin, why: str) -> None:
        """With the access tokens that it got; first, so that nothing is left of it where only half is done."""
        since_us = self.now_us() - PERSON_S * MICROSECONDS
        for token_id in self._wait(self._store.login_tokens(login.login_id, since_us)):
            self._revoke(token_id, f"its login is over: {why}")
        self._wait(self._store.end_login(login.login_id))

    def _revoke(self, token_id: str, reason: str) -> None:
        revocation = Revocation(
            what=Revoked.TOKEN, value=token_id, revoked_at_us=self.now_us(), by="local issuer", reason=reason
        )
        self._wait(self._store.revoke(revocation))

    def _wait(self, asked: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(asked, self._loop).result()
