"""A version that is destroyed between the look at the database and the look at its part is let go of, not missed."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any, cast

import pytest

from dissonance.adapters.keys.versions import RestingKey, VersionKeys
from dissonance.adapters.memory.clock import FixedClock, SeededRandomness
from dissonance.adapters.memory.key_parts import MemoryKeyParts
from dissonance.adapters.postgres.database import Database
from dissonance.adapters.postgres.key_versions import PostgresKeyVersions
from dissonance.errors import KeyPartMissing

ROOT_KEY, HASH_KEY = b"\x05" * 32, b"\x06" * 32


class Looks:
    """A database that answers each look at the usable versions with the next of `looks`; the last one stays."""

    def __init__(self, keys: VersionKeys, looks: list[list[RestingKey]]) -> None:
        self._check = keys.root.seal(bytes(12), b"key check", hashlib.sha256(HASH_KEY).digest())
        self._looks = looks

    async def rows(self, query: str, parameters: object) -> list[tuple[Any, ...]]:
        if query == "key_check":
            return [(self._check,)]
        return [tuple(each) for each in (self._looks.pop(0) if len(self._looks) > 1 else self._looks[0])]


def versions_that_see(looks: list[list[RestingKey]], keys: VersionKeys, parts: MemoryKeyParts) -> PostgresKeyVersions:
    return PostgresKeyVersions(
        cast(Database, Looks(keys, looks)),
        root_key=ROOT_KEY,
        hash_key=HASH_KEY,
        parts=parts,
        clock=FixedClock(),
        randomness=SeededRandomness(2),
    )


@pytest.fixture
def parts() -> MemoryKeyParts:
    return MemoryKeyParts()


@pytest.fixture
def keys(parts: MemoryKeyParts) -> VersionKeys:
    return VersionKeys(ROOT_KEY, parts, SeededRandomness(1))


def made(keys: VersionKeys, version: int) -> RestingKey:
    part = keys.new_part()
    return RestingKey(version, part.sealed(version), part.part_id)


def test_version_that_was_destroyed_between_two_looks_gives_way_to_the_active_one(
    keys: VersionKeys, parts: MemoryKeyParts
) -> None:
    before, after = made(keys, 1), made(keys, 2)
    keys.destroy_part(1, before.part_id)
    held = asyncio.run(versions_that_see([[before], [after]], keys, parts).read())
    assert (held.active, list(held.wraps)) == (2, [2])


def test_version_that_is_still_active_at_the_second_look_misses_its_part(
    keys: VersionKeys, parts: MemoryKeyParts
) -> None:
    active = made(keys, 1)
    keys.destroy_part(1, active.part_id)
    with pytest.raises(KeyPartMissing, match="version 1"):
        asyncio.run(versions_that_see([[active], [active]], keys, parts).read())
