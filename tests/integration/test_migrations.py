"""Databases that are empty, current, newer, half-way or away, and what `migrate` and `ready` say of each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from psycopg import sql

from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.adapters.memory.clock import FixedClock
from dissonance.adapters.postgres.migrate import Schema, head, migrate
from dissonance.adapters.postgres.store import PostgresStore
from dissonance.errors import EngineError, EngineUnavailable, SealBroken
from dissonance.security.text_seal import TextSeal
from support.database import execute, fresh_database, rows
from support.keys import PostgresKeysCase

PART_IDS = sql.SQL("SELECT encode(part_id, 'hex') FROM key_encryption_keys")
TABLES = sql.SQL("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")


@pytest.fixture
def empty_url(engines: EngineAddresses) -> Iterator[str]:
    with fresh_database(engines.database_url) as url:
        yield url


def ready(url: str) -> None:
    async def asked() -> None:
        store = PostgresStore(url, texts=TextSeal(bytes(64)), clock=FixedClock(), connections=1)
        try:
            await store.ready()
        finally:
            await store.close()

    asyncio.run(asked())


@pytest.mark.parametrize("schema", list(Schema))
def test_empty_database_is_brought_to_this_version_and_a_second_time_changes_nothing(
    empty_url: str, schema: Schema
) -> None:
    assert migrate(empty_url, schema) == head(schema)
    tables = rows(empty_url, TABLES)
    assert len(tables) > 3
    assert migrate(empty_url, schema) == head(schema)
    assert rows(empty_url, TABLES) == tables


def test_replicas_that_migrate_at_once_all_succeed(empty_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(migrate, [empty_url] * 4)) == {head(Schema.EXPERIENCE)}
    ready(empty_url)


def test_empty_database_is_not_ready_and_the_way_out_is_named(empty_url: str) -> None:
    with pytest.raises(EngineUnavailable, match="dissonance up upgrades it"):
        ready(empty_url)


def test_database_of_a_newer_release_is_refused_and_left_as_it_is(empty_url: str) -> None:
    migrate(empty_url)
    execute(empty_url, sql.SQL("UPDATE alembic_version SET version_num = '9999'"))
    before = rows(empty_url, TABLES)
    for attempt in (migrate, ready):
        with pytest.raises(EngineError, match="9999") as caught:
            attempt(empty_url)
        assert not isinstance(caught.value, EngineUnavailable)
    assert rows(empty_url, TABLES) == before
    assert rows(empty_url, sql.SQL("SELECT version_num FROM alembic_version")) == [("9999",)]


def test_migration_that_fails_half_way_leaves_nothing_and_succeeds_once_the_way_is_free(empty_url: str) -> None:
    execute(empty_url, sql.SQL("CREATE TABLE verdict_log (in_the_way integer)"))
    with pytest.raises(EngineError, match="verdict_log"):
        migrate(empty_url)
    assert ("experience",) not in rows(empty_url, TABLES)
    execute(empty_url, sql.SQL("DROP TABLE verdict_log"))
    migrate(empty_url)
    ready(empty_url)


def test_database_that_does_not_exist_or_answer_is_unavailable(engines: EngineAddresses, tmp_path: Path) -> None:
    for url in (f"postgresql:///dissonance?host={tmp_path}", "postgresql://127.0.0.1:1/dissonance"):
        with pytest.raises(EngineUnavailable):
            migrate(url)


def test_keys_database_tells_other_keys_from_its_own(empty_url: str) -> None:
    migrate(empty_url, Schema.DATA_SUBJECT_KEYS)
    case = PostgresKeysCase(1, empty_url)

    async def asked() -> None:
        first, second = case.keys(), case.keys(hash_key=b"another")
        try:
            await first.ready()
            with pytest.raises(SealBroken, match="hash key"):
                await second.ready()
        finally:
            await first.close()
            await second.close()

    asyncio.run(asked())


def test_many_that_check_the_keys_of_a_new_database_at_once_agree(empty_url: str) -> None:
    migrate(empty_url, Schema.DATA_SUBJECT_KEYS)
    case = PostgresKeysCase(1, empty_url)

    async def asked() -> None:
        replicas = [case.keys() for _ in range(8)]
        await asyncio.gather(*(keys.ready() for keys in replicas))
        await asyncio.gather(*(keys.close() for keys in replicas))
        assert [each.hex() for each in case.parts.parts] == [part_id for (part_id,) in rows(empty_url, PART_IDS)]

    asyncio.run(asked())


def test_keys_database_that_was_never_migrated_is_not_ready(empty_url: str) -> None:
    async def asked() -> None:
        keys = PostgresKeysCase(1, empty_url).keys()
        try:
            with pytest.raises(EngineUnavailable):
                await keys.ready()
        finally:
            await keys.close()

    asyncio.run(asked())
