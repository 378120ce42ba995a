"""What `dissonance up` does as the owner before a part comes: a part finds all that it may not make, and nobody back
who was erased."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import psycopg
import pytest

from dissonance.adapters.clock import SystemRandomness
from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.adapters.embedded.engines import EmbeddedEngines
from dissonance.adapters.embedded.preparation import Preparation
from dissonance.adapters.embedded.state import read_recorded_state
from dissonance.adapters.embedded.streams import recorded_streams
from dissonance.adapters.files.local import LocalFiles
from dissonance.adapters.keys.folder import KeyFolder
from dissonance.adapters.memory.registry import MemoryRegistry
from dissonance.bootstrap import System, open_system
from dissonance.bootstrap_databases import erasure_notes
from dissonance.contracts.bus_needs import NEEDS
from dissonance.contracts.policy import Policy
from dissonance.contracts.topics import EventKind, stream
from dissonance.errors import EngineError, EngineUnavailable
from dissonance.pipeline.subjects.about import SnapshotFiles
from dissonance.pipeline.subjects.erasing import erase
from dissonance.settings import Settings
from support.accesses import access, batch
from support.database import execute_all
from support.engines import running_engines, specification
from support.store import WEEK_S, RowMaker

ADA = "Ada"
RESTORED = (
    b"INSERT INTO data_subject_keys SELECT * FROM backup",
    b"DELETE FROM destroyed_keys",
)
"""The keys database is as it was before the erasure."""


def on(folder: Path, use: Callable[[System], Awaitable[None]], known_as: str = "") -> None:
    async def used() -> None:
        async with open_system(Settings(data=str(folder)), known_as) as system:
            await use(system._replace(registry=MemoryRegistry(system.clock)))

    asyncio.run(used())


def test_parts_work_as_roles_of_their_own_and_no_restore_brings_a_person_back(tmp_path: Path) -> None:
    make = RowMaker("prepared")
    task = make.task(data_subject_column="person")
    old = make.judged(task.task_id)
    make.clock.advance(2 * WEEK_S)
    new = make.judged(task.task_id)

    async def made(system: System) -> None:
        await system.store.create(task, Policy())

    async def is_not_the_owner(system: System) -> None:
        await asyncio.gather(system.bus.ready(), system.store.ready(), system.keys.ready())
        with pytest.raises(EngineUnavailable, match="does not let this user run 'delete_task'"):
            await system.store.delete(task.task_id)
        with pytest.raises(EngineUnavailable, match="does not let this user run 'destroy_keys'"):
            await system.keys.destroy(task.task_id, [b"somebody"])

    async def answers(system: System) -> None:
        assert len(await system.keys.obtain(task.task_id, [system.keys.data_subject_hash(task.task_id, ADA)])) == 1

    async def learns(system: System) -> None:
        assert await system.store.record([old, new]) == 6
        assert await system.store.retain(task.task_id, make.clock.now_us()) == 3

    async def judges(system: System) -> None:
        assert await system.store.record_verdicts(task.task_id, make.verdict_rows(new), {})
        seen = batch(1, access())
        assert await system.store.record_accesses(seen) == await system.store.record_accesses(seen) == 1

    async def erases(system: System) -> None:
        snapshots = SnapshotFiles(LocalFiles(), str(tmp_path / "pipeline"))
        await erase(system, snapshots, erasure_notes(system.settings), task.name, ADA, "an operator")

    async def does_not_know_her(system: System) -> None:
        assert await system.keys.obtain(task.task_id, [system.keys.data_subject_hash(task.task_id, ADA)]) == {}

    with running_engines(tmp_path, prepared=True) as addresses:
        assert {stream(kind) for kind in EventKind} <= recorded_streams(tmp_path)
        for part in NEEDS:
            on(tmp_path, is_not_the_owner, part)
        on(tmp_path, made)
        on(tmp_path, answers, "proposer")
        on(tmp_path, learns, "learner")
        on(tmp_path, judges, "gate")
        execute_all(addresses.keys_database_url, b"CREATE TABLE backup AS SELECT * FROM data_subject_keys")
        on(tmp_path, erases)
        on(tmp_path, does_not_know_her, "proposer")
        execute_all(addresses.keys_database_url, *RESTORED)
        with pytest.raises(EngineError, match="forgotten 1 erasures"):
            on(tmp_path, answers, "proposer")
    with running_engines(tmp_path, prepared=True):
        on(tmp_path, does_not_know_her, "proposer")


def test_part_does_not_start_on_databases_that_nobody_prepared(tmp_path: Path) -> None:
    with running_engines(tmp_path) as addresses:
        given = Settings(
            data=str(tmp_path), database_url=addresses.database_url, keys_database_url=addresses.keys_database_url
        )

        async def started() -> None:
            async with open_system(given, "gate"):
                pass

        with pytest.raises(EngineUnavailable, match="version none") as raised:
            asyncio.run(started())
        assert "dissonance up" in raised.value.fix


def test_preparation_that_fails_ends_the_start(tmp_path: Path) -> None:
    async def fails(addresses: EngineAddresses, keys: KeyFolder) -> None:
        with psycopg.connect(addresses.database_url):
            raise EngineError("not so", where="here", fix="none")

    wanted = specification(tmp_path, nats=False)
    engines = EmbeddedEngines(wanted, SystemRandomness(), preparation=Preparation(databases=fails))
    with pytest.raises(EngineError, match="not so"):
        asyncio.run(engines.start())
    assert read_recorded_state(tmp_path) is None
