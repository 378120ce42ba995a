"""Clients and people of the local issuer in memory (`ports.logins.LoginStore`)."""

from __future__ import annotations

import msgspec

from dissonance.adapters.memory.held import Held
from dissonance.ports.logins import TakenCode
from dissonance.security.oauth_clients import OAuthClient
from dissonance.security.people import LoginCode, Person


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
