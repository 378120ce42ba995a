"""Make and remove clients of the local issuer, and people who log in there. Who is removed is refused from then on,
with all that they were given (`roles.credential_changing`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dissonance.errors import InputError
from dissonance.ports.clock import Clock, Randomness
from dissonance.ports.logins import LoginStore
from dissonance.roles.credential_changing import CredentialChanging
from dissonance.security.grants import Grants, permissions_of
from dissonance.security.identity import MICROSECONDS
from dissonance.security.oauth_clients import (
    NewClientSecret,
    OAuthClient,
    new_client_id,
    new_client_secret,
    require_client,
)
from dissonance.security.passwords import COST, SALT_BYTES, PasswordCost, hashed_password, require_password
from dissonance.security.people import Person, require_name
from dissonance.security.revocations import Revoked
from dissonance.security.signers import client_key


class MadeClient(NamedTuple):
    """`secret` is kept nowhere; empty where the client has a key."""

    client: OAuthClient
    secret: str


class LoginChanging:
    """`by`: who changes it. Methods raise `EngineUnavailable` when nothing was changed."""

    def __init__(
        self,
        store: LoginStore,
        credentials: CredentialChanging,
        clock: Clock,
        randomness: Randomness,
        *,
        by: str,
        cost: PasswordCost = COST,
    ) -> None:
        self._store = store
        self._credentials = credentials
        self._clock = clock
        self._randomness = randomness
        self._by = by
        self._cost = cost

    async def make_client(
        self,
        *,
        name: str,
        grants: Sequence[str],
        known: Grants,
        tasks: Sequence[str],
        redirects: Sequence[str],
        lifetime_s: float,
        public_key: str = "",
    ) -> MadeClient:
        """`grants`: names of `known` ones, none for one that only sends people to log in. `public_key`: a PEM, of one
        that signs and has no secret. Raises `InputError`."""
        require_client(grants, redirects, lifetime_s)
        if grants:
            permissions_of(grants, known)
        if public_key:
            public_key = client_key(public_key)
            made = NewClientSecret(new_client_id(name, self._randomness), "", b"")
        else:
            made = new_client_secret(name, self._randomness)
        now_us = self._clock.now_us()
        client = OAuthClient(
            client_id=made.client_id,
            digest=made.digest,
            grants=tuple(grants),
            tasks=tuple(tasks),
            redirects=tuple(redirects),
            created_at_us=now_us,
            expires_at_us=now_us + max(1, round(lifetime_s)) * MICROSECONDS,
            by=self._by,
            public_key=public_key,
        )
        await self._store.keep_oauth_client(client)
        return MadeClient(client, made.secret)

    async def remove_client(self, client_id: str) -> None:
        """Raises `InputError` when there is none."""
        if not await self._store.remove_oauth_client(client_id):
            raise InputError(
                f"there is no client '{client_id[:80]}'", where="id", fix="list them: dissonance token client list"
            )
        await self._credentials.revoke(Revoked.HOLDER, client_id, "the client was removed")

    async def add_person(
        self, *, name: str, password: str, grants: Sequence[str], known: Grants, tasks: Sequence[str]
    ) -> Person:
        """Raises `InputError`, also where somebody of the name is there."""
        require_name(name)
        require_password(password, name)
        permissions_of(grants, known)
        person = Person(
            name=name,
            password=self._hashed(password),
            grants=tuple(grants),
            tasks=tuple(tasks),
            created_at_us=self._clock.now_us(),
            by=self._by,
        )
        if not await self._store.keep_person(person):
            raise InputError(
                f"there is a '{name}' already", where="name", fix="remove them first, or take another name"
            )
        return person

    async def set_password(self, name: str, password: str) -> None:
        """Logins of before are over; their tokens are, in minutes. Raises `InputError` when there is nobody of the
        name."""
        require_password(password, name)
        if not await self._store.set_password(name, self._hashed(password)):
            raise _unknown(name)
        await self._store.end_logins_of(name)

    async def remove_person(self, name: str) -> None:
        """Raises `InputError` when there is nobody of the name."""
        if not await self._store.remove_person(name):
            raise _unknown(name)
        await self._credentials.revoke(Revoked.HOLDER, name, "removed")

    def _hashed(self, password: str) -> str:
        return hashed_password(password, self._randomness.token(SALT_BYTES), self._cost)


def _unknown(name: str) -> InputError:
    return InputError(f"there is nobody named '{name[:80]}'", where="name", fix="list them: dissonance user list")
