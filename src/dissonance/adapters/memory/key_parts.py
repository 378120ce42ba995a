"""Parts of key-encryption keys within one process, for unit tests: the contract of the key folder."""

from __future__ import annotations

from collections.abc import Collection

from dissonance.errors import KeyPartMissing


class MemoryKeyParts:
    """`ports.key_parts.KeyParts`. Tests look into `parts`, and change it."""

    def __init__(self) -> None:
        self.parts: dict[bytes, bytes] = {}

    def keep(self, part_id: bytes, part: bytes) -> None:
        self.parts[part_id] = part

    def read(self, part_id: bytes, version: int) -> bytes:
        if part_id not in self.parts:
            raise KeyPartMissing(f"the part of version {version} is not there", where="memory", fix="put it back")
        return self.parts[part_id]

    def has(self, part_id: bytes) -> bool:
        return part_id in self.parts

    def destroy(self, part_id: bytes) -> None:
        self.parts.pop(part_id, None)

    def unneeded(self, named: Collection[bytes]) -> int:
        return len(self.parts.keys() - set(named))

    def sweep(self, named: Collection[bytes]) -> int:
        unneeded = self.parts.keys() - set(named)
        for part_id in unneeded:
            del self.parts[part_id]
        return len(unneeded)
