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


class PartState(StrEnum):
    """What there is of the part of a version that rests in the key folder (ADR 73)."""

    KEPT = "yes"
    NONE = "no"  # of before there were parts: whoever has the root key and a copy of the keys database opens it
    MISSING = "missing"
    DAMAGED = "damaged"  # it does not open with the root key
    UNREADABLE = "unreadable"  # to this account, or a link
    DESTROYED = "destroyed"
    LEFT = "left over"  # its version is destroyed, and that was cut short: destroy it again


class KeyVersion(NamedTuple):
    """`data_keys`: of data subjects, and `spare_keys`: that are wrapped under it. Times in microseconds since 1970."""

    version: int
    state: KeyState
    made_at_us: int
    changed_at_us: int
    data_keys: int = 0
    spare_keys: int = 0
    part: PartState = PartState.NONE


class KeyVersions(Protocol):
    """Every method may raise `EngineUnavailable`, `SealBroken` when the root key is not the database's, and
    `KeyPartMissing` when the part of a version that is needed is not in the key folder."""

    async def all(self) -> list[KeyVersion]:
        """Oldest first."""
        ...

    async def rotate(self) -> int:
        """Make a new version and use it for new data keys, in every process, from now on; returns its number.

        Its part is kept before it is there for others. Cut short in between, there is a part that belongs to nothing.
        """
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
        """Delete its bytes for ever, and then its part: from then on no copy of the database from before opens with the
        key folder of now. Raises as `revoke` does, and `DataFolderError` where only the part could not be deleted.
        Again: what was cut short is finished."""
        ...

    async def unneeded_parts(self) -> int:
        """How many parts no version names, of versions that were never there, or that a restored database does not
        know. One that is being made at this moment may be among them."""
        ...

    async def sweep(self) -> int:
        """Destroy those for ever, but not what is being made; returns how many. A database in which versions have them
        opens no more."""
        ...
