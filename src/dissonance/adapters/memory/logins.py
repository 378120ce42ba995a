"""Clients and people of the local issuer in memory (`ports.logins.LoginStore`)."""

from __future__ import annotations

import msgspec

from dissonance.adapters.memory.held import Held, HeldRefresh
from dissonance.ports.logins import TakenCode
from dissonance.security.client_assertions import Assertion
from dissonance.security.identity import MICROSECONDS, SKEW_S
from dissonance.security.oauth_clients import OAuthClient
from dissonance.security.people import LoginCode, Person
from dissonance.security.refresh_tokens import KnownRefresh, PersonLogin, RefreshToken
from dissonance.security.revocations import Revoked


class MemoryLogins(Held):
    async def keep_oauth_client(self, client: OAuthClient) -> None:
        self._require()
        self._oauth_clients[client.client_id] = client

    async def oauth_client(self, client_id: str) -> OAuthClient | None:
        self._require()
        return self._oauth_clients.get(client_id)

    async def oauth_clients(self) -> list[OAuthClient]:
        self._require()
        return sorted(self._oauth_clients.values(), key=lambda each: (-each.created_at_us, each.client_id))

    async def remove_oauth_client(self, client_id: str) -> bool:
        self._require()
        return self._oauth_clients.pop(client_id, None) is not None

    async def use_assertion(self, assertion: Assertion, now_us: int) -> bool:
        self._require()
        for digest, forget_at_us in list(self._used_assertions.items()):
            if forget_at_us < now_us:
                del self._used_assertions[digest]
        if assertion.digest in self._used_assertions:
            return False
        self._used_assertions[assertion.digest] = assertion.forget_at_us
        return True

    async def keep_person(self, person: Person) -> bool:
        self._require()
        return self._people.setdefault(person.name, person) is person

    async def set_password(self, name: str, password: str) -> bool:
        self._require()
        known = self._people.get(name)
        if known is not None:
            self._people[name] = msgspec.structs.replace(known, password=password)
        return known is not None

    async def person(self, name: str) -> Person | None:
        self._require()
        return self._people.get(name)

    async def people(self) -> list[Person]:
        self._require()
        return sorted(self._people.values(), key=lambda each: each.name)

    async def remove_person(self, name: str) -> bool:
        self._require()
        for digest in [digest for digest, taken in self._login_codes.items() if taken.code.name == name]:
            del self._login_codes[digest]
        await self.end_logins_of(name)
        return self._people.pop(name, None) is not None

    async def keep_login_code(self, code: LoginCode, forget_before_us: int) -> None:
        self._require()
        for digest, taken in list(self._login_codes.items()):
            if taken.code.expires_at_us < forget_before_us:
                del self._login_codes[digest]
        self._login_codes[code.digest] = TakenCode(code, 0)

    async def take_login_code(self, digest: bytes) -> TakenCode | None:
        self._require()
        known = self._login_codes.get(digest)
        if known is None:
            return None
        taken = self._login_codes[digest] = known._replace(times=known.times + 1)
        return taken

    async def begin_login(self, login: PersonLogin, first: RefreshToken, forget_before_us: int) -> bool:
        self._require()
        for known in list(self._logins.values()):
            if known.ends_at_us < forget_before_us:
                await self.end_login(known.login_id)
        if login.name not in self._people:
            return False
        self._logins[login.login_id] = login
        self._refresh_tokens[first.digest] = HeldRefresh(first, login.login_id, False)
        return True

    async def refresh_token(self, digest: bytes) -> KnownRefresh | None:
        self._require()
        known = self._refresh_tokens.get(digest)
        if known is None:
            return None
        login = self._logins[known.login_id]
        ids = {login.login_id, *(each.token.token_id for each in self._of_login(login.login_id))}
        by_name = self._revocations.get((Revoked.HOLDER, login.name))
        revoked = any((Revoked.TOKEN, each) in self._revocations for each in ids) or (
            by_name is not None and by_name.revoked_at_us >= login.began_at_us - SKEW_S * MICROSECONDS
        )
        return KnownRefresh(login, known.token, known.used, revoked)

    async def replace_refresh_token(self, digest: bytes, by: RefreshToken) -> bool:
        self._require()
        known = self._refresh_tokens.get(digest)
        if known is None or known.used:
            return False
        self._refresh_tokens[digest] = known._replace(used=True)
        self._refresh_tokens[by.digest] = HeldRefresh(by, known.login_id, False)
        return True

    async def login_tokens(self, login_id: str, since_us: int) -> list[str]:
        self._require()
        return [each.token.token_id for each in self._of_login(login_id) if each.token.issued_at_us >= since_us]

    async def end_login(self, login_id: str) -> None:
        self._require()
        for each in self._of_login(login_id):
            del self._refresh_tokens[each.token.digest]
        self._logins.pop(login_id, None)

    async def end_logins_of(self, name: str) -> None:
        self._require()
        for login_id in [login_id for login_id, login in self._logins.items() if login.name == name]:
            await self.end_login(login_id)

    def _of_login(self, login_id: str) -> list[HeldRefresh]:
        return [each for each in self._refresh_tokens.values() if each.login_id == login_id]
