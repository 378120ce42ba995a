"""Reference rows: what the data file held, sealed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import msgspec
import psycopg

from dissonance.adapters.postgres.columns import Bigints, Byteas, Texts
from dissonance.adapters.postgres.database import Parameters
from dissonance.adapters.postgres.decisions import append_decision, lock_chain
from dissonance.adapters.postgres.failures import caused_by
from dissonance.adapters.postgres.packed import Kind, Packed, packed_pages
from dissonance.adapters.postgres.part import CHUNK_ROWS, StorePart, task_key, unknown_task
from dissonance.errors import EngineError
from dissonance.ports.decisions import Decision
from dissonance.ports.store import ReferenceRows, Split

PACKED = {"row_number": Kind.INTEGER, "data_subject": Kind.VALUE, "sealed": Kind.VALUE}
BEFORE_ALL = -1


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
        found = ReferenceRows([], [], [], [])
        async for page in self.reference_pages(task_id, split):
            for column, part in zip(msgspec.structs.astuple(found), msgspec.structs.astuple(page), strict=True):
                column += part
        return found

    async def reference_pages(self, task_id: str, split: Split) -> AsyncGenerator[ReferenceRows, None]:
        parameters = {"task": task_key(task_id), "split": split.value, "after": BEFORE_ALL}
        pages = packed_pages(self._database, "reference", PACKED, parameters, _last)
        async with aclosing(pages):
            async for numbers, data_subjects, sealed in pages:
                yield ReferenceRows(numbers, [split] * len(numbers), data_subjects, sealed)

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


def _last(columns: Sequence[Packed]) -> Parameters:
    return {"after": int.from_bytes(columns[0].joined[-8:])}
