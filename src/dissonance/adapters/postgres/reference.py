"""Reference rows: what the data file held, sealed."""

from __future__ import annotations

import psycopg

from dissonance.adapters.postgres.columns import Bigints, Byteas, Texts
from dissonance.adapters.postgres.decisions import append_decision, lock_chain
from dissonance.adapters.postgres.failures import caused_by
from dissonance.adapters.postgres.part import CHUNK_ROWS, StorePart, task_key, unknown_task
from dissonance.errors import EngineError
from dissonance.ports.decisions import Decision
from dissonance.ports.store import ReferenceRows, Split


class PostgresReference(StorePart):
    """`ports.store.ReferenceStore`."""

    async def add_reference(self, task_id: str, rows: ReferenceRows) -> int:
        """Rows that were there before stay as they are; returns how many were new. Raises `UnknownTask`."""
        added = 0
        for start in range(0, len(rows.row_numbers), CHUNK_ROWS):
            parameters = _columns(task_id, rows, slice(start, start + CHUNK_ROWS))
            try:
                added += await self._database.execute("insert_reference", parameters)
            except EngineError as error:
                if caused_by(error, psycopg.errors.ForeignKeyViolation):
                    raise unknown_task(task_id) from error
                raise
        return added

    async def reference(self, task_id: str, split: Split) -> ReferenceRows:
        found = await self._database.rows("reference", {"task": task_key(task_id), "split": split.value})
        return ReferenceRows(
            row_numbers=[row[0] for row in found],
            splits=[split] * len(found),
            data_subjects=[row[1] for row in found],
            sealed=[row[2] for row in found],
        )

    async def golden_data_subjects(self, task_id: str) -> frozenset[bytes]:
        parameters = {"task": task_key(task_id), "splits": Texts([Split.GOLDEN, Split.RETIRED])}
        return frozenset(row[0] for row in await self._database.rows("data_subjects_of_splits", parameters))

    async def refresh_golden(self, task_id: str, rows: ReferenceRows, decision: Decision) -> int:
        parameters = {"task": task_key(task_id), "golden": Split.GOLDEN.value, "retired": Split.RETIRED.value}
        async with self._database.connection("refresh_golden") as connection, connection.transaction():
            await lock_chain(self._database, connection, task_id)
            retired = await self._database.execute_on(connection, "retire_golden", parameters)
            added = 0
            for start in range(0, len(rows.row_numbers), CHUNK_ROWS):
                part = _columns(task_id, rows, slice(start, start + CHUNK_ROWS))
                added += await self._database.execute_on(connection, "insert_reference", part)
            if added != len(rows.row_numbers):
                raise EngineError("a row of this number is there", where="reference_rows", fix="refresh it again")
            await append_decision(self._database, connection, decision)
        return retired


def _columns(task_id: str, rows: ReferenceRows, chunk: slice) -> dict[str, object]:
    return {
        "task": task_key(task_id),
        "row_numbers": Bigints(rows.row_numbers[chunk]),
        "splits": Texts(rows.splits[chunk]),
        "data_subjects": Byteas(rows.data_subjects[chunk]),
        "sealed": Byteas(rows.sealed[chunk]),
    }
