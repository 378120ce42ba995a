"""What is revoked, and the API keys there are, as the store keeps it (part of `ports.store.Store`)."""

from __future__ import annotations

from typing import Protocol

from dissonance.security.api_keys import ApiKey
from dissonance.security.revocations import Revocation


class CredentialStore(Protocol):
    async def credential_changes(self) -> int:
        """How often it was changed: who knows what was there at this number need not read it again."""
        ...

    async def revoke(self, revocation: Revocation) -> int:
        """Keep it; of several about the same the latest counts. Returns how often either was changed by then."""
        ...

    async def revocations(self, since_us: int) -> list[Revocation]:
        """Those made at or after `since_us`, the newest first."""
        ...

    async def keep_api_key(self, key: ApiKey) -> int:
        """Keep a new one. Returns how often either was changed by then."""
        ...

    async def api_keys(self) -> list[ApiKey]:
        """All that were ever made, also expired and revoked ones, the newest first."""
        ...
