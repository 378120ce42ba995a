"""Versions end, and parts are swept, while others make keys and versions: nobody waits for a look at every key, and no
part goes that somebody is about to need."""

from __future__ import annotations

import asyncio
from threading import Event

import psycopg
import pytest
from psycopg import sql

from dissonance.ports.key_versions import KeyState, PartState
from support.database import rows
from support.keys import PartsCutShort, PostgresKeysCase, postgres_keys_case, quiet

SUBJECTS = [bytes([number]) * 16 for number in range(4)]
WAITING = sql.SQL(
    "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database "
    "WHERE d.datname = current_database() AND NOT l.granted"
)
AS_WHO_MAKES_KEYS = "LOCK TABLE data_subject_keys, spare_keys IN ROW EXCLUSIVE MODE"


class Lingering(PartsCutShort):
    """Stands still, when it `lingers`, after a part was kept, before its version is there."""

    def __init__(self) -> None:
        super().__init__()
        self.lingers, self.kept, self.go_on = False, Event(), Event()

    def keep(self, part_id: bytes, part: bytes) -> None:
        super().keep(part_id, part)
        if self.lingers:
            self.kept.set()
            self.go_on.wait()


case = pytest.fixture(postgres_keys_case)


def test_version_is_ended_while_somebody_makes_keys_who_does_not_end(case: PostgresKeysCase) -> None:
    async def story() -> None:
        keys = case.keys()
        try:
            await keys.obtain(case.task_id, SUBJECTS)
            await keys.versions.rotate()
            await keys.versions.rewrap(quiet)
            with psycopg.connect(case.url) as making:
                making.execute(AS_WHO_MAKES_KEYS)
                await keys.versions.revoke(1)
                await keys.versions.destroy(1)
            assert [each.state for each in await keys.versions.all()] == [KeyState.DESTROYED, KeyState.ACTIVE]
        finally:
            await keys.close()

    asyncio.run(story())


def test_part_of_a_version_that_is_being_made_is_not_swept(case: PostgresKeysCase) -> None:
    case.parts = parts = Lingering()

    async def story() -> None:
        one, two = case.keys(), case.keys()
        try:
            made = await two.obtain(case.task_id, SUBJECTS)
            parts.lingers = True
            rotation = asyncio.create_task(one.versions.rotate())
            await asyncio.to_thread(parts.kept.wait)
            sweeping = asyncio.create_task(two.versions.sweep())
            while not (sweeping.done() or waits_for_a_lock(case.url)):
                await asyncio.sleep(0.01)
            parts.go_on.set()
            assert (await rotation, await sweeping) == (2, 0)
            assert [each.part for each in await two.versions.all()] == [PartState.KEPT, PartState.KEPT]
            assert await two.find(case.task_id, SUBJECTS) == made
        finally:
            parts.go_on.set()
            await one.close()
            await two.close()

    asyncio.run(story())


def waits_for_a_lock(url: str) -> bool:
    return bool(rows(url, WAITING)[0][0])
