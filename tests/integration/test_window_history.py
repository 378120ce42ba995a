"""What PostgreSQL keeps of windows: an open one is restated every second, so its past must not pile up."""

from __future__ import annotations

import asyncio
from pathlib import Path

from psycopg import sql

from dissonance.adapters.postgres.migrate import migrate
from dissonance.adapters.postgres.store import PostgresStore
from dissonance.security.text_seal import TextSeal
from support.database import fresh_database, rows
from support.engines import running_engines
from support.store import RowMaker, with_task


def test_of_an_open_window_the_last_statements_stay_and_of_a_closed_one_all(tmp_path: Path) -> None:
    make = RowMaker("history")

    async def story(url: str) -> None:
        store = PostgresStore(url, texts=TextSeal(bytes(64)), clock=make.clock, connections=1)
        try:
            task_id = await with_task(store, make)
            for labelled in range(20):
                await store.save_window(make.window(task_id, labelled=labelled))
            kept = sql.SQL("SELECT min(revision), max(revision) FROM windows WHERE closed = {}")
            assert rows(url, kept.format(False)) == [(12, 20)]
            for labelled in range(20, 32):
                await store.save_window(make.window(task_id, labelled=labelled, closed=True))
            assert rows(url, kept.format(True)) == [(21, 32)]
            assert [window.revision for window in await store.windows(task_id)] == [32]
        finally:
            await store.close()

    with running_engines(tmp_path, nats=False) as addresses, fresh_database(addresses.database_url) as url:
        migrate(url)
        asyncio.run(story(url))
