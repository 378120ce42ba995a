"""A backup of before an erasure, put back beside what there is now: who opens there, with which keys."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from dissonance.adapters.clock import SystemClock, SystemRandomness
from dissonance.adapters.embedded.addresses import EngineName
from dissonance.adapters.embedded.engines import EmbeddedEngines, EnginesSpecification
from dissonance.adapters.postgres.keys import PostgresDataSubjectKeys
from dissonance.adapters.postgres.store import PostgresStore
from dissonance.bootstrap import open_system
from dissonance.bootstrap_databases import text_seal_of
from dissonance.bootstrap_keys import open_key_folder
from dissonance.drills.keys.opening import Opened, look_at_people
from dissonance.drills.keys.people import name_of
from dissonance.drills.keys.rotation import Stage
from dissonance.drills.system import RunningSystem
from dissonance.ports.keys import DataSubjectKeys
from dissonance.ports.store import Store
from dissonance.settings import Settings

LEFT_OUT = ("keys", "keys-erased", "*.sock", ".s.*")
"""A backup of the data does not hold the key folder, nor the notes of erasures: see operations.md."""


class InBackup(NamedTuple):
    """Rows about the erased people, and about as many neighbours, and how many of each open."""

    erased: int
    erased_opened: int
    neighbours: int
    neighbours_opened: int


class Restored(NamedTuple):
    """`keys_of_now`: rows of the backup, the keys database as it is now. `own_keys`: the keys database that a plain
    copy of the data folder holds, opened past `dissonance up` by who also has the key folder. `after_up`: the same when
    `dissonance up` has started on the copy."""

    keys_of_now: InBackup
    own_keys: InBackup
    after_up: InBackup


def copy(data: Path, backup: Path) -> None:
    """A plain copy of a data folder whose engines are stopped."""
    shutil.copytree(data, backup, symlinks=True, ignore=shutil.ignore_patterns(*LEFT_OUT))


async def look_into(stage: Stage, backup: Path, logs: Path, erased: Sequence[int], near: Sequence[int]) -> Restored:
    """The engines of now run meanwhile; the backup itself is not touched."""
    copied = backup.with_name(f"{backup.name}-restored")
    await asyncio.to_thread(copy, backup, copied)
    keys_folder = stage.settings.keys_folder
    async with _restored_rows(stage.settings, copied) as (store, own_keys):
        async with open_system(stage.settings) as system:
            of_now = await _look(stage, store, system.keys, erased, near)
        of_own = await _look(stage, store, own_keys, erased, near)
    settings = Settings(data=str(copied), key_folder=str(keys_folder))
    async with RunningSystem(copied, logs, {}, {"key_folder": str(keys_folder)}), open_system(settings) as system:
        after_up = await _look(stage, system.store, system.keys, erased, near)
    return Restored(of_now, of_own, after_up)


async def _look(
    stage: Stage,
    store: Store,
    keys: DataSubjectKeys,
    erased: Sequence[int],
    near: Sequence[int],
) -> InBackup:
    counts: list[Opened] = []
    for numbers in (erased, near):
        hashes = keys.data_subject_hashes(stage.task.task_id, [name_of(number) for number in numbers])
        counts.append(await look_at_people(store, keys, stage.task, hashes))
    gone, there = counts
    return InBackup(len(gone.ids), gone.opened, len(there.ids), there.opened)


@asynccontextmanager
async def _restored_rows(now: Settings, copied: Path) -> AsyncIterator[tuple[PostgresStore, PostgresDataSubjectKeys]]:
    """PostgreSQL alone on the copy, and nothing that prepares it: as somebody would who is not the system."""
    clock, randomness = SystemClock(), SystemRandomness()
    folder = await asyncio.to_thread(open_key_folder, now, randomness)
    engines = EmbeddedEngines(
        EnginesSpecification(
            folder=copied,
            keys_folder=now.keys_folder,
            environment={},
            wanted=frozenset({EngineName.POSTGRESQL}),
        ),
        randomness,
    )
    addresses = await engines.start()
    store = PostgresStore(addresses.database_url, clock=clock, texts=text_seal_of(folder))
    keys = PostgresDataSubjectKeys(
        addresses.keys_database_url,
        key_encryption_key=folder.key_encryption_key,
        hash_key=folder.derive("data-subjects"),
        clock=clock,
        randomness=randomness,
    )
    try:
        yield store, keys
    finally:
        await store.close()
        await keys.close()
        await engines.stop()
