"""What every part of the store has: the database, the clock, and how ids become parameters."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from dissonance.adapters.postgres.columns import Uuids
from dissonance.adapters.postgres.database import Database
from dissonance.errors import MalformedEvent, UnknownTask
from dissonance.ports.clock import Clock

CHUNK_ROWS = 2_000
"""Rows of one statement."""

NO_TASK = UUID(int=2**128 - 1)
"""Stands for a task id that is not 32 hex digits; no task has it, and it is not the whole system's."""


class StorePart:
    """One database shared by the parts; `clock` dates policies, windows and what retention drops."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock


def task_key(task_id: str) -> UUID:
    """
    >>> task_key("no task") == NO_TASK
    True
    """
    try:
        return UUID(bytes=bytes.fromhex(task_id))
    except ValueError:
        return NO_TASK


def unknown_task(task_id: str) -> UnknownTask:
    return UnknownTask(f"no task has the id '{task_id}'", where="task", fix="list them: dissonance task list")


def id_parameters(prediction_ids: Sequence[bytes]) -> dict[str, object]:
    """`ids`, `low` and `high` of at least one id."""
    ids = Uuids(prediction_ids)
    return {"ids": ids, "low": UUID(bytes=min(prediction_ids)), "high": UUID(bytes=max(prediction_ids))}


def digest_bytes(digest: str) -> bytes:
    """32 bytes of 64 hex digits. Raises `MalformedEvent`."""
    try:
        return bytes.fromhex(digest)
    except ValueError as error:
        raise MalformedEvent(f"'{digest[:80]}' is not a digest", where="digest", fix="give hex digits") from error
