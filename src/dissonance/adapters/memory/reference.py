"""Reference rows in memory (`ports.store.ReferenceStore`)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final

import msgspec

from dissonance.adapters.memory.held import Held
from dissonance.errors import EngineError
from dissonance.ports.decisions import Decision
from dissonance.ports.store import ReferenceRows, Split

PAGE_ROWS: Final = 1_000


class MemoryReference(Held):
    async def add_reference(self, task_id: str, rows: ReferenceRows) -> int:
        if not rows.row_numbers:
            return 0
        reference = self._of(task_id).reference
        before = len(reference)
        for number, split, data_subject, sealed in zip(
            rows.row_numbers, rows.splits, rows.data_subjects, rows.sealed, strict=True
        ):
            reference.setdefault(number, (split, data_subject, sealed))
        return len(reference) - before

    async def reference(self, task_id: str, split: Split) -> ReferenceRows:
        known = self._known(task_id)
        found = sorted((number, row) for number, row in known.reference.items() if row[0] is split) if known else []
        return ReferenceRows(
            row_numbers=[number for number, _ in found],
            splits=[split] * len(found),
            data_subjects=[row[1] for _, row in found],
            sealed=[row[2] for _, row in found],
        )

    async def reference_pages(self, task_id: str, split: Split) -> AsyncGenerator[ReferenceRows, None]:
        rows = await self.reference(task_id, split)
        for start in range(0, len(rows.row_numbers), PAGE_ROWS):
            yield ReferenceRows(*(column[start : start + PAGE_ROWS] for column in msgspec.structs.astuple(rows)))

    async def golden_data_subjects(self, task_id: str) -> frozenset[bytes]:
        splits = [await self.reference(task_id, split) for split in (Split.GOLDEN, Split.RETIRED)]
        return frozenset(each for rows in splits for each in rows.data_subjects)

    async def refresh_golden(self, task_id: str, rows: ReferenceRows, decision: Decision) -> int:
        known = self._of(task_id)
        if known.reference.keys() & set(rows.row_numbers):
            raise EngineError("a row of this number is there", where="reference_rows", fix="refresh it again")
        golden = [number for number, row in known.reference.items() if row[0] is Split.GOLDEN]
        for number in golden:
            known.reference[number] = (Split.RETIRED, *known.reference[number][1:])
        await self.add_reference(task_id, rows)
        known.add_decision(decision)
        return len(golden)
