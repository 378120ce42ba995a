"""Revoke credentials and make API keys: kept in the store, then told to every process.

The store is what counts: a process that is not told finds out by itself (`roles.credential_following`), so that a bus
that is away delays nothing but by seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dissonance.contracts.columns import derived_id
from dissonance.contracts.events import WHOLE_SYSTEM, CredentialsChanged
from dissonance.errors import EngineUnavailable, InputError
from dissonance.ports.bus import Outbox
from dissonance.ports.clock import Clock, Randomness
from dissonance.ports.credentials import CredentialStore
from dissonance.security.api_keys import ApiKey, new_secret
from dissonance.security.grants import Grants, permissions_of
from dissonance.security.identity import MICROSECONDS
from dissonance.security.revocations import Revocation, Revoked
from dissonance.security.tokens import require_usable

MAX_CHARACTERS = 200
"""Of an id, a name or a reason."""


class MadeKey(NamedTuple):
    """`text` is the key itself, which is kept nowhere."""

    key: ApiKey
    text: str


class CredentialChanging:
    """`by`: who changes it. Methods raise `EngineUnavailable` when nothing was changed."""

    def __init__(self, store: CredentialStore, outbox: Outbox, clock: Clock, *, by: str) -> None:
        self._store = store
        self._outbox = outbox
        self._clock = clock
        self._by = by

    async def revoke(self, what: Revoked, value: str, reason: str) -> Revocation:
        """Raises `InputError` without a value, or when a text is too long."""
        if not value.strip() or max(len(value), len(reason)) > MAX_CHARACTERS:
            raise InputError(
                f"an id or a name, and a reason of at most {MAX_CHARACTERS} characters, is what can be revoked",
                where="revocation",
                fix="give the `jti` of a token, the id of an API key, or a name with --subject",
            )
        now_us = self._clock.now_us()
        revocation = Revocation(what=what, value=value, revoked_at_us=now_us, by=self._by, reason=reason)
        await self._tell(await self._store.revoke(revocation))
        return revocation

    async def revoke_api_key(self, key_id: str, reason: str) -> Revocation:
        """Raises `InputError` when there is none of this id."""
        if key_id not in [key.key_id for key in await self._store.api_keys()]:
            raise InputError(f"there is no API key '{key_id}'", where="id", fix="list them: dissonance token key list")
        return await self.revoke(Revoked.TOKEN, key_id, reason)

    async def make_api_key(
        self,
        randomness: Randomness,
        *,
        grants: Sequence[str],
        known: Grants,
        name: str,
        tasks: Sequence[str],
        lifetime_s: float,
    ) -> MadeKey:
        """`grants`: names of `known` ones. `lifetime_s` in seconds. Raises `InputError` as `TokenIssuer.issue` does."""
        scope = permissions_of(grants, known)
        require_usable(name, tasks, lifetime_s)
        secret, now_us = new_secret(randomness), self._clock.now_us()
        key = ApiKey(
            key_id=secret.key_id,
            name=name,
            digest=secret.digest,
            scope=tuple(sorted(scope)),
            tasks=tuple(tasks),
            created_at_us=now_us,
            expires_at_us=now_us + max(1, round(lifetime_s)) * MICROSECONDS,
            by=self._by,
        )
        await self._tell(await self._store.keep_api_key(key))
        return MadeKey(key, secret.text)

    async def _tell(self, changes: int) -> None:
        event = CredentialsChanged(
            event_id=derived_id("credentials_changed", [str(changes)]),
            task_id=WHOLE_SYSTEM,
            produced_at_us=self._clock.now_us(),
            producer="token",
            changes=changes,
        )
        try:
            await self._outbox.publish([event])
        except EngineUnavailable:
            return  # every process asks the store within seconds
