"""PostgreSQL is killed while the store is in use: what was stored is stored, and the same store works again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import uvloop

from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.adapters.postgres.migrate import migrate
from dissonance.adapters.postgres.store import PostgresStore
from dissonance.contracts.policy import Policy
from dissonance.errors import EngineUnavailable
from dissonance.ports.store import Counts
from dissonance.security.text_seal import TextSeal
from support.database import fresh_database
from support.engines import running_engines
from support.store import RowMaker, with_task

PATIENCE = 120
"""Tries, half a second apart at the least, until PostgreSQL must have come back."""


def kill(postgres_folder: Path) -> None:
    """Every process of the server, as when a machine loses power."""
    postmaster = psutil.Process(int((postgres_folder / "postmaster.pid").read_text().split()[0]))
    for process in [postmaster, *postmaster.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            process.kill()


async def until_it_works(call: Callable[[], Awaitable[int]]) -> int:
    for _ in range(PATIENCE):
        try:
            return await call()
        except EngineUnavailable:
            await asyncio.sleep(0.5)
    raise AssertionError("PostgreSQL did not come back")


def test_store_works_again_after_postgresql_was_killed(tmp_path: Path) -> None:
    make = RowMaker("recovery")

    async def story(url: str, folder: Path) -> None:
        store = PostgresStore(url, texts=TextSeal(bytes(64)), clock=make.clock, connections=4)
        try:
            task_id = await with_task(store, make)
            events = [make.judged(task_id, 20) for _ in range(4)]
            await asyncio.gather(*(store.record([event]) for event in events))
            for _ in range(2):
                kill(folder)
                events.append(make.judged(task_id, 20))
                new = await until_it_works(lambda: store.record(events))
                assert new in (0, 20)  # 0 when the commit was done and only its word got lost
            assert await store.counts(task_id) == Counts(120, 0, 0)
            assert (await store.policy(task_id)) == Policy()
        finally:
            await store.close()

    with running_engines(tmp_path / "data", nats=False) as engines:
        migrate(engines.database_url)
        uvloop.run(story(engines.database_url, tmp_path / "data" / "postgres"))


def test_connections_that_were_closed_behind_the_pool_fail_no_call(engines: EngineAddresses) -> None:
    make = RowMaker("closed-connections")

    async def story(url: str) -> None:
        store = PostgresStore(url, texts=TextSeal(bytes(64)), clock=make.clock, connections=4)
        try:
            task_id = await with_task(store, make)
            await asyncio.gather(*(store.record([make.judged(task_id, 5)]) for _ in range(8)))
            async with await psycopg.AsyncConnection.connect(url, autocommit=True) as other:
                await other.execute(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            await asyncio.gather(*(store.record([make.judged(task_id, 5)]) for _ in range(8)))
            assert await store.counts(task_id) == Counts(80, 0, 0)
        finally:
            await store.close()

    with fresh_database(engines.database_url) as url:
        migrate(url)
        asyncio.run(story(url))
