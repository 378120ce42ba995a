"""The part of a key-encryption key that rests in the key folder, and in no copy of a database (ADR 73)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

PART_ID_BYTES = 16
PART_BYTES = 32


class KeyParts(Protocol):
    """Parts by id, which is random: two processes never mean the same one. Methods block, and may raise
    `DataFolderError` when the files cannot be used."""

    def keep(self, part_id: bytes, part: bytes) -> None:
        """Durable before this returns."""
        ...

    def read(self, part_id: bytes, version: int) -> bytes:
        """The part of this version. Raises `KeyPartMissing` when it is not there, `SealBroken` when it was changed."""
        ...

    def has(self, part_id: bytes) -> bool:
        """Whether something of it is there, whole or not."""
        ...

    def destroy(self, part_id: bytes) -> None:
        """Overwrite and delete it for ever. Again: nothing."""
        ...

    def unneeded(self, named: Collection[bytes]) -> int:
        """How many parts there are, whole or cut short, besides those that are named by their ids."""
        ...

    def sweep(self, named: Collection[bytes]) -> int:
        """Destroy those for ever; returns how many. Nobody may be about to use one that is not named yet."""
        ...
