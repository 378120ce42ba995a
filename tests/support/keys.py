"""Stores of data subjects' keys to hold to one contract: in memory, and on PostgreSQL."""

from __future__ import annotations

import asyncio
import zlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from typing import Protocol

import pytest

from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.adapters.memory.clock import FixedClock, SeededRandomness
from dissonance.adapters.memory.key_parts import MemoryKeyParts
from dissonance.adapters.memory.keys import MemoryDataSubjectKeys, WrappedKeys
from dissonance.adapters.postgres.keys import PostgresDataSubjectKeys
from dissonance.adapters.postgres.migrate import Schema, migrate
from dissonance.errors import DataFolderError, DissonanceError
from dissonance.ports.keys import DataSubjectKeys
from support.database import fresh_database

KeyStory = Callable[[DataSubjectKeys, DataSubjectKeys], Awaitable[None]]
KEY_ENCRYPTION_KEY = b"\x05" * 32
HASH_KEY = b"\x06" * 32


class CutShort(Exception):
    """Stands for a process that ends."""


class PartsCutShort(MemoryKeyParts):
    """Parts of a process that may end right before or right after the next change: `cut` names it, as "before keep".
    `refused`: why none can be destroyed; `broken`: what is wrong with single ones."""

    cut = ""
    refused: DataFolderError | None = None

    def __init__(self) -> None:
        super().__init__()
        self.broken: dict[bytes, DissonanceError] = {}

    def read(self, part_id: bytes, version: int) -> bytes:
        if part_id in self.broken:
            raise self.broken[part_id]
        return super().read(part_id, version)

    def keep(self, part_id: bytes, part: bytes) -> None:
        self._end("before keep")
        super().keep(part_id, part)
        self._end("after keep")

    def destroy(self, part_id: bytes) -> None:
        self._end("before destroy")
        if self.refused is not None:
            raise self.refused
        super().destroy(part_id)

    def _end(self, where: str) -> None:
        if where == self.cut:
            self.cut = ""
            raise CutShort(where)


BESIDE: defaultdict[str, PartsCutShort] = defaultdict(PartsCutShort)
"""The parts that belong to each database, by its address."""


class KeysCase(Protocol):
    """Two task ids of one's own, and two replicas on what they share; `parts` are in the key folder of both."""

    task_id: str
    other_task_id: str
    clock: FixedClock
    parts: PartsCutShort

    def tell(self, story: KeyStory, *, second_key_encryption_key: bytes = KEY_ENCRYPTION_KEY) -> None: ...


def keys_case(request: pytest.FixtureRequest) -> KeysCase:
    """For a fixture with the params "memory" and "postgres", beside one named `keys_url` of a migrated database."""
    seed = zlib.crc32(request.node.nodeid.encode())
    if request.param == "memory":
        return MemoryKeysCase(seed)
    return PostgresKeysCase(seed, request.getfixturevalue("keys_url"))


def fresh_keys_database(engines: EngineAddresses) -> Iterator[str]:
    """For that fixture, of whatever scope."""
    with fresh_database(engines.keys_database_url) as url:
        migrate(url, Schema.DATA_SUBJECT_KEYS)
        yield url


class MemoryKeysCase:
    def __init__(self, seed: int) -> None:
        self.randomness = SeededRandomness(seed)
        self.task_id, self.other_task_id = (self.randomness.token(16).hex() for _ in range(2))
        self.clock = FixedClock()
        self.parts = PartsCutShort()

    def tell(self, story: KeyStory, *, second_key_encryption_key: bytes = KEY_ENCRYPTION_KEY) -> None:
        shared = WrappedKeys(self.parts)
        one, two = (
            MemoryDataSubjectKeys(
                self.randomness, key_encryption_key=key, hash_key=HASH_KEY, shared=shared, clock=self.clock
            )
            for key in (KEY_ENCRYPTION_KEY, second_key_encryption_key)
        )

        async def told() -> None:
            await story(one, two)

        asyncio.run(told())


class PostgresKeysCase:
    def __init__(self, seed: int, url: str) -> None:
        self.randomness = SeededRandomness(seed)
        self.task_id, self.other_task_id = (self.randomness.token(16).hex() for _ in range(2))
        self.clock = FixedClock()
        self.parts = BESIDE[url]
        self.url = url

    def keys(
        self, key_encryption_key: bytes = KEY_ENCRYPTION_KEY, hash_key: bytes = HASH_KEY
    ) -> PostgresDataSubjectKeys:
        return PostgresDataSubjectKeys(
            self.url,
            key_encryption_key=key_encryption_key,
            hash_key=hash_key,
            parts=self.parts,
            clock=self.clock,
            randomness=self.randomness,
            connections=2,
        )

    def tell(self, story: KeyStory, *, second_key_encryption_key: bytes = KEY_ENCRYPTION_KEY) -> None:
        async def told() -> None:
            one, two = self.keys(), self.keys(second_key_encryption_key)
            try:
                await story(one, two)
            finally:
                await one.close()
                await two.close()

        asyncio.run(told())


def postgres_keys_case(engines: EngineAddresses) -> Iterator[PostgresKeysCase]:
    """For a fixture: on a database of its own."""
    for url in fresh_keys_database(engines):
        yield PostgresKeysCase(1, url)


def quiet(done: int, total: int) -> None:
    """For who follows keys that are wrapped anew, and says nothing."""
    assert 0 <= done <= total
