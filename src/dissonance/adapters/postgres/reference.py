"""Reference rows: what the data file held, sealed."""

from __future__ import annotations

import psycopg

from dissonance.adapters.postgres.columns import Bigints, Byteas, Texts
from dissonance.adapters.postgres.failures import caused_by
from dissonance.adapters.postgres.part import CHUNK_ROWS, StorePart, task_key, unknown_task
from dissonance.errors import EngineError
from dissonance.ports.store import ReferenceRows, Split


class PostgresReference(StorePart):
    """`ports.store.ReferenceStore`."""

    async def add_reference(self, task_id: str, rows: ReferenceRows) -> int:
        """Rows that were there before stay as they are; returns how many were new. Raises `UnknownTask`."""
        added = 0
        for start in range(0, len(rows.row_numbers), CHUNK_ROWS):
            chunk = slice(start, start + CHUNK_ROWS)
            parameters = {
                "task": task_key(task_id),
                "row_numbers": Bigints(rows.row_numbers[chunk]),
                "splits": Texts(rows.splits[chunk]),
                "data_subjects": Byteas(rows.data_subjects[chunk]),
                "sealed": Byteas(rows.sealed[chunk]),
            }
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
        parameters = {"task": task_key(task_id), "split": Split.GOLDEN.value}
        return frozenset(row[0] for row in await self._database.rows("data_subjects_of_split", parameters))
