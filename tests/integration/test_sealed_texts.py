"""What PostgreSQL keeps of texts and values: nothing that can be read, and what is older is read all the same."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
from psycopg import sql

from dissonance.adapters.postgres.copying import every_row
from dissonance.adapters.postgres.migrate import migrate
from dissonance.adapters.postgres.store import PostgresStore
from dissonance.contracts.policy import Policy
from dissonance.contracts.windows import SliceFigures
from dissonance.security.revocations import Revocation, Revoked
from dissonance.security.text_seal import TextSeal
from support.database import execute, fresh_database
from support.engines import running_engines
from support.store import RowMaker

CANARY = "4f0b6a5d2c9e8137"  # pragma: allowlist secret


async def written(store: PostgresStore, make: RowMaker) -> str:
    task = make.task(classes=(CANARY, "other"))
    await store.create(task, Policy())
    await store.set_policy(task.task_id, Policy(version=2), reason=CANARY, by="ada")
    await store.revoke(Revocation(what=Revoked.TOKEN, value="id", revoked_at_us=1, by="ada", reason=CANARY))
    slices = (SliceFigures("place", CANARY, 60, 1, 0.9, 1.0, 0.1),)
    window = make.window(task.task_id, slices=slices)
    assert await store.save_window(window) == await store.save_window(window) == 1
    return task.task_id


async def read_again(store: PostgresStore, task_id: str) -> None:
    assert (await store.by_id(task_id)).classes[0] == CANARY
    assert [task.task_id for task in await store.all()] == [task_id]
    assert (await store.policy_history(task_id))[0].reason == CANARY
    assert [each.reason for each in await store.revocations(0)] == [CANARY]
    assert (await store.windows(task_id))[0].slices[0].value == CANARY


def test_texts_and_values_are_sealed_in_the_tables_and_open_again(tmp_path: Path) -> None:
    make = RowMaker("sealed")

    async def story(url: str) -> None:
        store = PostgresStore(url, texts=TextSeal(bytes(64)), clock=make.clock, connections=1)
        try:
            task_id = await written(store, make)
            content = b"".join(every_row(url))
            assert task_id[:8].encode() in content
            assert CANARY.encode() not in content and CANARY.encode().hex().encode() not in content
            await read_again(store, task_id)
            older = msgspec.json.encode(await store.by_id(task_id)).decode()
            execute(url, sql.SQL("UPDATE tasks SET body = {}::json").format(older))
            execute(url, sql.SQL("UPDATE policies SET reason = {} WHERE version = 2").format(CANARY))
            await read_again(store, task_id)
        finally:
            await store.close()

    with running_engines(tmp_path, nats=False) as addresses, fresh_database(addresses.database_url) as url:
        migrate(url)
        asyncio.run(story(url))
