"""After a restore: who was erased before is erased again, before anything is opened (ADR 58).

An erasure is written down three times: in the keys database, beside the rows, and in files beside both. Whatever of
them is restored to an older state, the others tell.
"""

from __future__ import annotations

import asyncio
import logging

from dissonance.errors import EngineError
from dissonance.ports.anchors import Anchors
from dissonance.ports.keys import DataSubjectHash, DataSubjectKeys
from dissonance.ports.store import Store
from dissonance.security.evidence import read_note

logger = logging.getLogger(__name__)

Forgotten = dict[str, list[DataSubjectHash]]
"""By task, whom the keys database does not know as erased any more."""


async def erase_again(store: Store, keys: DataSubjectKeys, notes: Anchors, public_key: bytes) -> int:
    """As the owner, after a restore: destroy every key that was destroyed before; returns how many data subjects that
    was about.

    Raises `StorageError` or `EngineUnavailable`.
    """
    forgotten = await _forgotten(store, keys, notes, public_key)
    for task_id, people in forgotten.items():
        await keys.destroy(task_id, people)
        logger.warning("the keys database had forgotten %d erasures of task %s: done again", len(people), task_id)
    return sum(map(len, forgotten.values()))


async def require_none_forgotten(store: Store, keys: DataSubjectKeys, notes: Anchors, public_key: bytes) -> None:
    """For parts, which may destroy no key. Raises `EngineError` where there is somebody to erase again, and as
    `erase_again` does."""
    people = sum(map(len, (await _forgotten(store, keys, notes, public_key)).values()))
    if people:
        raise EngineError(
            f"the keys database has forgotten {people} erasures: an older state of it was restored",
            where="keys database",
            fix="its owner erases them again: dissonance up; on databases of your own any command that connects, as "
            "dissonance task list",
        )


async def _forgotten(store: Store, keys: DataSubjectKeys, notes: Anchors, public_key: bytes) -> Forgotten:
    erased = {task_id: set(people) for task_id, people in (await store.erased()).items()}
    for task_id in {*erased, *(task.task_id for task in await store.all())}:
        lines = await asyncio.to_thread(notes.lines, task_id)
        noted = [read_note(line, public_key) for line in lines]
        people = {bytes.fromhex(note.data_subject) for note in noted if note is not None and note.task_id == task_id}
        erased.setdefault(task_id, set()).update(people)
    found = {task_id: await keys.not_destroyed(task_id, sorted(people)) for task_id, people in erased.items() if people}
    return {task_id: people for task_id, people in found.items() if people}
