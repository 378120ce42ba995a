"""Which golden rows a decision was made on, without a key."""

from __future__ import annotations

import hashlib

from dissonance.contracts.schema import Task
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.store import ReferenceRows, Split


async def golden_digest(workshop: Workshop, task: Task) -> str:
    """Of the golden holdout as it lies in the store: erasing a data subject changes nothing of it."""
    return stored_digest(await workshop.store.reference(task.task_id, Split.GOLDEN))


def stored_digest(rows: ReferenceRows) -> str:
    """SHA-256 over number, data subject and sealed bytes of each row, in the order of their numbers; 64 hex digits.

    >>> rows = ReferenceRows([2, 1], [Split.GOLDEN] * 2, [b"a", b"b"], [b"x", b"y"])
    >>> stored_digest(rows) == stored_digest(ReferenceRows([1, 2], [Split.GOLDEN] * 2, [b"b", b"a"], [b"y", b"x"]))
    True
    """
    digest = hashlib.sha256()
    for number, data_subject, sealed in sorted(zip(rows.row_numbers, rows.data_subjects, rows.sealed, strict=True)):
        for part in (number.to_bytes(8), data_subject, sealed):
            digest.update(len(part).to_bytes(4) + part)
    return digest.hexdigest()
