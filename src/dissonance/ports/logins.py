"""Clients and people of the local issuer, as the store keeps them (part of `ports.store.Store`)."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from dissonance.security.oauth_clients import OAuthClient
from dissonance.security.people import LoginCode, Person


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
        """Whether there was one. What they were on the way to get is gone, too."""
        ...

    async def keep_login_code(self, code: LoginCode, forget_before_us: int) -> None:
        """Keep a new one, and forget those that expired before."""
        ...

    async def take_login_code(self, digest: bytes) -> TakenCode | None:
        """Of several who come with the same at once, at whichever replica, one is the first. None: it is unknown."""
        ...
