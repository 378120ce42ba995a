"""Clients and people of the local issuer, as the store keeps them (part of `ports.store.Store`)."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from dissonance.security.client_assertions import Assertion
from dissonance.security.oauth_clients import OAuthClient
from dissonance.security.people import LoginCode, Person
from dissonance.security.refresh_tokens import KnownRefresh, PersonLogin, RefreshToken


class TakenCode(NamedTuple):
    """`times`: how often somebody came with it by now; only the first may have what it stands for."""

    code: LoginCode
    times: int


class LoginStore(Protocol):
    async def keep_oauth_client(self, client: OAuthClient) -> None:
        """Keep a new one."""
        ...

    async def oauth_client(self, client_id: str) -> OAuthClient | None: ...

    async def oauth_clients(self) -> list[OAuthClient]:
        """All there are, also expired ones, the newest first."""
        ...

    async def remove_oauth_client(self, client_id: str) -> bool:
        """Whether there was one."""
        ...

    async def use_assertion(self, assertion: Assertion, now_us: int) -> bool:
        """Whether nobody came with it before, at whichever replica. Those that expired before `now_us` are
        forgotten."""
        ...

    async def keep_person(self, person: Person) -> bool:
        """Keep a new one; False, and nothing is changed, where one of the name is there."""
        ...

    async def set_password(self, name: str, password: str) -> bool:
        """Whether there is somebody of the name. `password`: as in `Person`."""
        ...

    async def person(self, name: str) -> Person | None: ...

    async def people(self) -> list[Person]:
        """By name."""
        ...

    async def remove_person(self, name: str) -> bool:
        """Whether there was one. Their logins, and what they were on the way to get, are gone, too."""
        ...

    async def keep_login_code(self, code: LoginCode, forget_before_us: int) -> None:
        """Keep a new one, and forget those that expired before."""
        ...

    async def take_login_code(self, digest: bytes) -> TakenCode | None:
        """Of several who come with the same at once, at whichever replica, one is the first. None: it is unknown."""
        ...

    async def begin_login(self, login: PersonLogin, first: RefreshToken, forget_before_us: int) -> bool:
        """Keep a new one, and forget those that ended before. Whether there is somebody of the name."""
        ...

    async def refresh_token(self, digest: bytes) -> KnownRefresh | None:
        """It is `revoked` where its login, an access token of it, or since it began its holder is."""
        ...

    async def replace_refresh_token(self, digest: bytes, by: RefreshToken) -> bool:
        """Whether it was there and not replaced yet: of several at once, at whichever replica, one is the first."""
        ...

    async def login_tokens(self, login_id: str, since_us: int) -> list[str]:
        """`jti` of the access tokens that a login got since then."""
        ...

    async def end_login(self, login_id: str) -> None: ...

    async def end_logins_of(self, name: str) -> None: ...
