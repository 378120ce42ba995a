"""A keys database of before an erasure is put back, as from an old backup: the person stays erased, and no part starts
before the owner saw to it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.adapters.files.local import LocalFiles
from dissonance.adapters.memory.registry import MemoryRegistry
from dissonance.adapters.postgres.rights import beside
from dissonance.bootstrap import System, open_system
from dissonance.bootstrap_databases import erasure_notes
from dissonance.contracts.policy import Policy
from dissonance.contracts.sealed import SealedRow
from dissonance.errors import EngineError
from dissonance.pipeline.subjects.about import SnapshotFiles
from dissonance.pipeline.subjects.erasing import erase
from dissonance.security.rows import open_rows, seal_rows
from dissonance.settings import Settings
from support.database import execute, fresh_database
from support.store import RowMaker

ADA, BOB = "Ada", "Bob"


def on(settings: Settings, use: Callable[[System], Awaitable[None]], known_as: str = "") -> None:
    async def used() -> None:
        async with open_system(settings, known_as) as system:
            await use(system._replace(registry=MemoryRegistry(system.clock)))

    asyncio.run(used())


def copied(url: str, server: str) -> str:
    """The database as it is now, beside it; its address."""
    name = f"test_{secrets.token_hex(6)}"
    here = sql.Identifier(str(conninfo_to_dict(url)["dbname"]))
    execute(server, sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), here))
    return beside(url, name)


@pytest.mark.parametrize("rows_too", [False, True])
def test_old_backup_of_the_keys_does_not_bring_a_person_back(
    engines: EngineAddresses, tmp_path: Path, rows_too: bool
) -> None:
    assert engines.tls is not None
    make = RowMaker(f"restored {rows_too}")
    task = make.task(data_subject_column="person")
    with fresh_database(engines.database_url) as rows_url, fresh_database(engines.keys_database_url) as keys_url:
        now = Settings(
            data=str(tmp_path),
            database_url=rows_url,
            keys_database_url=keys_url,
            nats_url=engines.nats_url,
            mlflow_url="https://127.0.0.1:9",  # nothing of it is needed
            tls_certificate=engines.tls.client.certificate,
            tls_key=engines.tls.client.key,
            tls_ca=engines.tls.authority,
        )

        async def fill(system: System) -> None:
            await system.store.create(task, Policy())
            people = [system.keys.data_subject_hash(task.task_id, each) for each in (ADA, BOB)]
            keys = await system.keys.obtain(task.task_id, people)
            event = make.judged(task.task_id, 2, data_subjects=people)
            rows = [SealedRow(features=each) for each in people]
            sealed = seal_rows(keys, task.task_id, event.prediction_ids, people, rows, system.randomness)
            await system.store.record([msgspec.structs.replace(event, sealed=sealed)])

        async def erase_ada(system: System) -> None:
            snapshots = SnapshotFiles(LocalFiles(), str(tmp_path / "pipeline"))
            _, certificate = await erase(system, snapshots, erasure_notes(now), task.name, ADA, "an operator")
            assert certificate.rows.experience == 1

        async def only_bob_opens(system: System) -> None:
            people = [system.keys.data_subject_hash(task.task_id, each) for each in (ADA, BOB)]
            keys = await system.keys.find(task.task_id, people)
            ids = [(await system.store.predictions_about(task.task_id, each))[0] for each in people]
            found = await system.store.find(task.task_id, ids)
            opened = open_rows(keys, task.task_id, ids, people, [found[each].sealed for each in ids])
            assert [row and row.features for row in opened] == [None, people[1]]
            assert await system.keys.obtain(task.task_id, people[:1]) == {}

        on(now, fill)
        old_keys, old_rows = copied(keys_url, engines.keys_database_url), copied(rows_url, engines.database_url)
        on(now, erase_ada)
        on(now, only_bob_opens)
        before = msgspec.structs.replace(now, keys_database_url=old_keys)
        if rows_too:
            before = msgspec.structs.replace(before, database_url=old_rows)
        with pytest.raises(EngineError, match="forgotten 1 erasures"):
            on(before, only_bob_opens, known_as="critic")
        on(before, only_bob_opens)
        on(before, only_bob_opens, known_as="critic")
        for url, server in ((old_keys, engines.keys_database_url), (old_rows, engines.database_url)):
            name = sql.Identifier(str(conninfo_to_dict(url)["dbname"]))
            execute(server, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
