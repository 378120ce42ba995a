"""Which stored rows open with the keys there are: the rows' own seals, and those of their labels."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from dissonance.contracts.schema import Task
from dissonance.errors import KeyPartMissing, SealBroken, TimedOut
from dissonance.ports.keys import DataSubjectKeys
from dissonance.ports.store import Experience, Store
from dissonance.security.rows import label_row_id, open_rows

CHUNK_ROWS = 20_000
STORED_WITHIN_S = 120.0
LOOK_EVERY_S = 0.5
NEWEST_US = 2**62


class Opened(NamedTuple):
    """`ids` of the rows that were looked at; `closed`: those of which something does not open."""

    ids: set[bytes]
    closed: set[bytes]

    @property
    def opened(self) -> int:
        return len(self.ids) - len(self.closed)


async def look_at(keys: DataSubjectKeys, task: Task, rows: Sequence[Experience]) -> Opened:
    """Without a key, or with a seal that does not hold, a row does not open; without a version's part, none does."""
    found: dict[bytes, bytes] = {}
    with suppress(KeyPartMissing):
        found = await keys.find(task.task_id, list({row.data_subject for row in rows}))
    closed = await asyncio.to_thread(_closed, found, task, rows)
    return Opened({row.prediction_id for row in rows}, closed)


async def look_at_all(
    store: Store, keys: DataSubjectKeys, task: Task, tell: Callable[[int], None] = lambda rows: None
) -> Opened:
    """Every stored row of the task, in order of event time."""
    seen = Opened(set(), set())
    start_us = 0
    while start_us < NEWEST_US:
        end_us = await store.nth_event_time_us(task.task_id, start_us, CHUNK_ROWS + 1) or NEWEST_US
        rows = await store.between(task.task_id, start_us, max(end_us, start_us + 1))
        part = await look_at(keys, task, rows)
        seen.ids.update(part.ids)
        seen.closed.update(part.closed)
        tell(len(rows))
        start_us = max(end_us, start_us + 1)
    return seen


async def look_at_people(store: Store, keys: DataSubjectKeys, task: Task, people: Sequence[bytes]) -> Opened:
    """Every stored row about them."""
    ids = [each for person in people for each in await store.predictions_about(task.task_id, person)]
    return await look_at(keys, task, list((await store.find(task.task_id, ids)).values()))


async def until_stored(store: Store, task: Task, ids: Sequence[bytes]) -> list[Experience]:
    """Raises `TimedOut` when some are not in the store in time."""
    try:
        async with asyncio.timeout(STORED_WITHIN_S):
            while len(found := await store.find(task.task_id, ids)) < len(ids):
                await asyncio.sleep(LOOK_EVERY_S)
    except TimeoutError as error:
        raise TimedOut("predictions are not in the store", where="drill", fix="read the learner's log") from error
    return list(found.values())


def _closed(keys: dict[bytes, bytes], task: Task, rows: Sequence[Experience]) -> set[bytes]:
    return {row.prediction_id for row in rows if not _opens(keys, task, row)}


def _opens(keys: dict[bytes, bytes], task: Task, row: Experience) -> bool:
    sealed = [(row.prediction_id, row.sealed)]
    if row.label_sealed is not None:
        sealed.append((label_row_id(row.prediction_id), row.label_sealed))
    people = [row.data_subject] * len(sealed)
    try:
        return None not in open_rows(
            keys, task.task_id, [each for each, _ in sealed], people, [blob for _, blob in sealed]
        )
    except SealBroken:
        return False
