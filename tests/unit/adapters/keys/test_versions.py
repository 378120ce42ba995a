"""Key-encryption keys that a process opens: what is wrong with one of them leaves the others usable."""

from __future__ import annotations

import pytest

from dissonance.adapters.keys.versions import RestingKey, VersionKeys
from dissonance.adapters.memory.clock import SeededRandomness
from dissonance.adapters.memory.key_parts import MemoryKeyParts
from dissonance.errors import DataFolderError


class Unreadable(MemoryKeyParts):
    """Of one part there is a file, and no right to read it."""

    unreadable = b""

    def read(self, part_id: bytes, version: int) -> bytes:
        if part_id == self.unreadable:
            raise DataFolderError("the key folder cannot be used: Permission denied", where="versions", fix="chmod")
        return super().read(part_id, version)


def test_part_that_cannot_be_read_closes_what_rests_under_its_version_and_nothing_else() -> None:
    parts = Unreadable()
    made = VersionKeys(bytes(32), parts, SeededRandomness(1))
    retired, active = (_made(made, version) for version in (1, 2))
    parts.unreadable = retired.part_id or b""
    keys = VersionKeys(bytes(32), parts, SeededRandomness(2))

    held = keys.held([active, retired])

    assert held.wrap.of("t", b"s", bytes(32), bytes(12)) == made.held([active]).wrap.of("t", b"s", bytes(32), bytes(12))
    with pytest.raises(DataFolderError, match="Permission denied"):
        held.under(1)
    with pytest.raises(DataFolderError, match="Permission denied"):
        keys.held([retired, active])


def _made(keys: VersionKeys, version: int) -> RestingKey:
    part = keys.new_part()
    return RestingKey(version, part.sealed(version), part.part_id)
