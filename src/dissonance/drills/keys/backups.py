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
from dissonance.adapters.keys.parts import FolderKeyParts
from dissonance.adapters.postgres.keys import PostgresDataSubjectKeys
from dissonance.adapters.postgres.store import PostgresStore
from dissonance.bootstrap import open_system
from dissonance.bootstrap_databases import text_seal_of
from dissonance.bootstrap_keys import open_key_folder
from dissonance.drills.keys.copied_versions import read_versions, that_open
from dissonance.drills.keys.opening import Opened, look_at_people
from dissonance.drills.keys.people import name_of
from dissonance.drills.keys.rotation import COMMAND_S, Stage, end_versions
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


class OwnKeys(NamedTuple):
    """The keys database that a plain copy of the data folder holds, opened past `dissonance up` by who also has the key
    folder of now. `versions`: usable key-encryption keys in it, and how many of them open with anything that is there.
    """

    rows: InBackup
    versions: int
    versions_opened: int


class _There(NamedTuple):
    store: PostgresStore
    keys: PostgresDataSubjectKeys
    versions: int
    versions_opened: int


class Restored(NamedTuple):
    """`keys_of_now`: rows of the backup, the keys database as it is now. `own_keys`: its own, while the versions that
    it knows are there. `after_up`: the same when `dissonance up` has started on the copy. `left_behind`, `kept`:
    `own_keys` and `keys_of_now` once more, after the versions of the backup were rotated away and destroyed."""

    keys_of_now: InBackup
    own_keys: OwnKeys
    after_up: InBackup
    left_behind: OwnKeys
    kept: InBackup


def copy(data: Path, backup: Path) -> None:
    """A plain copy of a data folder whose engines are stopped."""
    shutil.copytree(data, backup, symlinks=True, ignore=shutil.ignore_patterns(*LEFT_OUT))


async def look_into(stage: Stage, backup: Path, logs: Path, erased: Sequence[int], near: Sequence[int]) -> Restored:
    """The engines of now run meanwhile; the backup itself is not touched."""
    copied = backup.with_name(f"{backup.name}-restored")
    of_now, of_own = await _past_up(stage, backup, copied, erased, near)
    keys_folder = stage.settings.keys_folder
    settings = Settings(data=str(copied), key_folder=str(keys_folder))
    async with RunningSystem(copied, logs, {}, {"key_folder": str(keys_folder)}), open_system(settings) as system:
        after_up = await _look(stage, system.store, system.keys, erased, near)
    await stage.running.command("keys", "rotate", limit_s=COMMAND_S)
    await end_versions(stage)
    kept, left_behind = await _past_up(stage, backup, copied, erased, near)
    return Restored(of_now, of_own, after_up, left_behind, kept)


async def _past_up(
    stage: Stage, backup: Path, copied: Path, erased: Sequence[int], near: Sequence[int]
) -> tuple[InBackup, OwnKeys]:
    """What opens of a fresh copy of the backup with the keys database of now, and with its own."""
    await asyncio.to_thread(shutil.rmtree, copied, ignore_errors=True)
    await asyncio.to_thread(copy, backup, copied)
    async with _restored_rows(stage.settings, copied) as there:
        async with open_system(stage.settings) as system:
            of_now = await _look(stage, there.store, system.keys, erased, near)
        of_own = await _look(stage, there.store, there.keys, erased, near)
    return of_now, OwnKeys(of_own, there.versions, there.versions_opened)


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
async def _restored_rows(now: Settings, copied: Path) -> AsyncIterator[_There]:
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
    versions = await read_versions(addresses.keys_database_url)
    store = PostgresStore(addresses.database_url, clock=clock, texts=text_seal_of(folder))
    keys = PostgresDataSubjectKeys(
        addresses.keys_database_url,
        key_encryption_key=folder.key_encryption_key,
        hash_key=folder.derive("data-subjects"),
        parts=FolderKeyParts(folder.folder, folder.key_encryption_key, randomness),
        clock=clock,
        randomness=randomness,
    )
    try:
        yield _There(store, keys, len(versions), that_open(folder, versions))
    finally:
        await store.close()
        await keys.close()
        await engines.stop()
