"""A keys database as it was before there were key parts (version 0003): it migrates, opens, and its versions go."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest
from psycopg import sql

from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.adapters.memory.clock import SeededRandomness
from dissonance.adapters.postgres.keys import PostgresDataSubjectKeys
from dissonance.adapters.postgres.migrate import Schema, migrate
from dissonance.errors import KeyPartMissing
from dissonance.ports.key_versions import KeyState, PartState
from dissonance.security.wrapping import NEW_KEY_BYTES, KeyWrap
from support.database import execute, fresh_database
from support.keys import KEY_ENCRYPTION_KEY, PostgresKeysCase, quiet

SUBJECTS = [bytes([number]) * 16 for number in range(4)]
RANDOM = SeededRandomness(5).token
ADD = sql.SQL("INSERT INTO key_encryption_keys VALUES (%s, %s, %s, 0, 0)")
KEEP = sql.SQL("INSERT INTO data_subject_keys (task_id, data_subject, wrapped, wrapped_under) VALUES (%s, %s, %s, %s)")


@pytest.fixture
def url(engines: EngineAddresses) -> Iterator[str]:
    """Nothing but the migration of key parts separates it from a database of this release."""
    with fresh_database(engines.keys_database_url) as made:
        migrate(made, Schema.DATA_SUBJECT_KEYS)
        execute(made, sql.SQL("ALTER TABLE key_encryption_keys DROP COLUMN part_id"))
        execute(made, sql.SQL("UPDATE alembic_version SET version_num = '0003'"))
        yield made


def on(case: PostgresKeysCase, use: Callable[[PostgresDataSubjectKeys], Awaitable[None]]) -> None:
    async def used() -> None:
        keys = case.keys()
        try:
            await keys.ready()
            await use(keys)
        finally:
            await keys.close()

    asyncio.run(used())


def keep(case: PostgresKeysCase, subjects: list[bytes], key_encryption_key: bytes, version: int) -> dict[bytes, bytes]:
    """Data keys as they rest under a version; what they open to."""
    made = {}
    for subject in subjects:
        random = RANDOM(NEW_KEY_BYTES)
        wrapped = KeyWrap(key_encryption_key).new(case.task_id, subject, random)
        execute(case.url, KEEP, (case.task_id, subject, wrapped, version))
        made[subject] = random[:32]
    return made


def test_versions_under_the_root_key_alone_open_say_so_and_can_be_left_behind(url: str) -> None:
    case, root = PostgresKeysCase(1, url), KeyWrap(KEY_ENCRYPTION_KEY)
    made: dict[bytes, bytes] = {}
    for version, state, subjects in ((1, "retired", SUBJECTS[:1]), (2, "active", SUBJECTS[1:])):
        random = RANDOM(NEW_KEY_BYTES)
        execute(url, ADD, (version, state, root.new_version(version, random)))
        made |= keep(case, subjects, random[:32], version)
    migrate(url, Schema.DATA_SUBJECT_KEYS)

    async def left_behind(keys: PostgresDataSubjectKeys) -> None:
        assert await keys.find(case.task_id, SUBJECTS) == made
        assert [each.part for each in await keys.versions.all()] == [PartState.NONE, PartState.NONE]
        await keys.versions.rotate()
        assert await keys.versions.rewrap(quiet) == len(SUBJECTS)
        for version in (1, 2, 2):
            await keys.versions.destroy(version)
        assert [(each.state, each.part) for each in await keys.versions.all()] == [
            (KeyState.DESTROYED, PartState.NONE),
            (KeyState.DESTROYED, PartState.NONE),
            (KeyState.ACTIVE, PartState.KEPT),
        ]

    async def opens(keys: PostgresDataSubjectKeys) -> None:
        assert await keys.find(case.task_id, SUBJECTS) == made

    on(case, left_behind)
    on(case, opens)


def test_data_keys_of_before_there_were_versions_open_and_leave_no_part_without_a_version(url: str) -> None:
    case = PostgresKeysCase(2, url)
    made = keep(case, SUBJECTS, KEY_ENCRYPTION_KEY, 1)
    migrate(url, Schema.DATA_SUBJECT_KEYS)

    async def opens(keys: PostgresDataSubjectKeys) -> None:
        assert await keys.find(case.task_id, SUBJECTS) == made
        assert [each.part for each in await keys.versions.all()] == [PartState.NONE]
        assert case.parts.parts == {}

    on(case, opens)


def test_copy_of_the_keys_from_before_opens_with_the_parts_of_now_until_its_version_is_destroyed(url: str) -> None:
    migrate(url, Schema.DATA_SUBJECT_KEYS)
    case = PostgresKeysCase(3, url)
    copied = sql.SQL("CREATE TABLE copied AS SELECT * FROM key_encryption_keys")
    put_back = sql.SQL("DELETE FROM key_encryption_keys; INSERT INTO key_encryption_keys SELECT * FROM copied")

    async def filled(keys: PostgresDataSubjectKeys) -> None:
        assert len(await keys.obtain(case.task_id, SUBJECTS)) == len(SUBJECTS)

    async def read_back(keys: PostgresDataSubjectKeys) -> None:
        assert len(await keys.find(case.task_id, SUBJECTS)) == len(SUBJECTS)

    async def turned(keys: PostgresDataSubjectKeys) -> None:
        await keys.versions.rotate()
        await keys.versions.rewrap(quiet)
        await keys.versions.destroy(1)

    on(case, filled)
    execute(url, copied)
    execute(url, put_back)
    on(case, read_back)
    on(case, turned)
    execute(url, put_back)
    with pytest.raises(KeyPartMissing, match="version 1"):
        on(case, read_back)
