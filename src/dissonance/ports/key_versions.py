"""The key-encryption keys: versions of the key that data keys are wrapped under (ADR 57).

One version is active, and wraps every new data key. Rotation makes another one active and wraps the data keys anew; the
rows that those sealed are not touched.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple, Protocol

Follow = Callable[[int, int], None]
"""Told how many of how many are done."""


class KeyState(StrEnum):
    """Stored: never rename one."""

    ACTIVE = "active"  # wraps new data keys
    RETIRED = "retired"  # still opens what rests under it
    REVOKED = "revoked"  # opens nothing, and could again from a backup
    DESTROYED = "destroyed"  # its bytes are gone


class KeyVersion(NamedTuple):
    """`data_keys`: of data subjects, and `spare_keys`: that are wrapped under it. Times in microseconds since 1970."""

    version: int
    state: KeyState
    made_at_us: int
    changed_at_us: int
    data_keys: int = 0
    spare_keys: int = 0


class KeyVersions(Protocol):
    """Every method may raise `EngineUnavailable`, and `SealBroken` when the root key is not the database's."""

    async def all(self) -> list[KeyVersion]:
        """Oldest first."""
        ...

    async def rotate(self) -> int:
        """Make a new version and use it for new data keys, in every process, from now on; returns its number."""
        ...

    async def rewrap(self, follow: Follow) -> int:
        """Wrap every data key under the active version; returns how many were wrapped anew.

        Others may make, use and destroy data keys meanwhile. One that was cut short is taken up where it stood.
        """
        ...

    async def revoke(self, version: int) -> None:
        """Open nothing with it any more. Raises `KeyInUse` for the active one and while data keys rest under it,
        `UnknownKey` for one that is not there."""
        ...

    async def destroy(self, version: int) -> None:
        """Delete its bytes for ever. Raises as `revoke` does. Again: nothing."""
        ...
