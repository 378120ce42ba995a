"""What an issuer of tokens publishes, fetched from where it publishes it."""

from __future__ import annotations

from typing import Protocol


class IssuerDocuments(Protocol):
    async def fetch(self, url: str, *, ca_file: str = "") -> bytes:
        """The document at `url`, which is small. `ca_file`: who vouches for the server; empty: whom the machine trusts.

        Raises `IssuerUnavailable` when it cannot be had, is too long, or lies behind a redirect.
        """
        ...
