"""What is revoked, and the API keys there are."""

from __future__ import annotations

import msgspec

from dissonance.adapters.postgres.part import StorePart
from dissonance.security.api_keys import ApiKey
from dissonance.security.revocations import Revocation, Revoked


class PostgresCredentials(StorePart):
    """`ports.credentials.CredentialStore`. A change and its count are one statement: who saw one sees the other."""

    async def credential_changes(self) -> int:
        return int((await self._database.rows("credential_changes", {}))[0][0])

    async def revoke(self, revocation: Revocation) -> int:
        parameters = {**msgspec.structs.asdict(revocation), "what": revocation.what.value}
        return int((await self._database.rows("revoke", parameters))[0][0])

    async def revocations(self, since_us: int) -> list[Revocation]:
        rows = await self._database.rows("revocations", {"since_us": since_us})
        return [
            Revocation(what=Revoked(what), value=value, revoked_at_us=at_us, by=by, reason=reason)
            for what, value, at_us, by, reason in rows
        ]

    async def keep_api_key(self, key: ApiKey) -> int:
        parameters = {**msgspec.structs.asdict(key), "scope": list(key.scope), "tasks": list(key.tasks)}
        return int((await self._database.rows("keep_api_key", parameters))[0][0])

    async def api_keys(self) -> list[ApiKey]:
        return [
            ApiKey(
                key_id=key_id,
                name=name,
                digest=digest,
                scope=tuple(scope),
                tasks=tuple(tasks),
                created_at_us=created_at_us,
                expires_at_us=expires_at_us,
                by=by,
            )
            for key_id, name, digest, scope, tasks, created_at_us, expires_at_us, by in await self._database.rows(
                "api_keys", {}
            )
        ]
