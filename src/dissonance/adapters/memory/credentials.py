"""Revocations and API keys in memory (`ports.credentials.CredentialStore`)."""

from __future__ import annotations

from dissonance.adapters.memory.held import Held
from dissonance.security.api_keys import ApiKey
from dissonance.security.revocations import Revocation


class MemoryCredentials(Held):
    async def credential_changes(self) -> int:
        self._require()
        return self._credential_changes

    async def revoke(self, revocation: Revocation) -> int:
        self._require()
        key = (revocation.what, revocation.value)
        earlier = self._revocations.get(key)
        if earlier is None or earlier.revoked_at_us < revocation.revoked_at_us:
            self._revocations[key] = revocation
        return self._changed()

    async def revocations(self, since_us: int) -> list[Revocation]:
        self._require()
        found = [each for each in self._revocations.values() if each.revoked_at_us >= since_us]
        return sorted(found, key=lambda each: (-each.revoked_at_us, each.what, each.value))

    async def keep_api_key(self, key: ApiKey) -> int:
        self._require()
        self._api_keys[key.key_id] = key
        return self._changed()

    async def api_keys(self) -> list[ApiKey]:
        self._require()
        return sorted(self._api_keys.values(), key=lambda each: (-each.created_at_us, each.key_id))

    def _changed(self) -> int:
        self._credential_changes += 1
        return self._credential_changes
