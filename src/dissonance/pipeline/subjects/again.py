"""After a restore: who was erased before is erased again, before anything is opened (ADR 58).

An erasure is written down three times: in the keys database, beside the rows, and in files beside both. Whatever of
them is restored to an older state, the others tell.
"""

from __future__ import annotations

import asyncio
import logging

from dissonance.ports.anchors import Anchors
from dissonance.ports.keys import DataSubjectKeys
from dissonance.ports.store import Store
from dissonance.security.evidence import read_note

logger = logging.getLogger(__name__)


async def erase_again(store: Store, keys: DataSubjectKeys, notes: Anchors, public_key: bytes) -> int:
    """After a restore: destroy every key that was destroyed before; returns how many data subjects that was about.

    Raises `StorageError` or `EngineUnavailable`.
    """
    erased = {task_id: set(people) for task_id, people in (await store.erased()).items()}
    for task_id in {*erased, *(task.task_id for task in await store.all())}:
        lines = await asyncio.to_thread(notes.lines, task_id)
        noted = [read_note(line, public_key) for line in lines]
        people = {bytes.fromhex(note.data_subject) for note in noted if note is not None and note.task_id == task_id}
        erased.setdefault(task_id, set()).update(people)
    again = 0
    for task_id, people in erased.items():
        forgotten = await keys.not_destroyed(task_id, sorted(people)) if people else []
        if forgotten:
            await keys.destroy(task_id, forgotten)
            logger.warning(
                "the keys database had forgotten %d erasures of task %s: done again", len(forgotten), task_id
            )
        again += len(forgotten)
    return again
