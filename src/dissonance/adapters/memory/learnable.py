"""What is learnt from, in memory (as much of `ports.store.ExperienceStore`)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any

from dissonance.adapters.memory.held import Held
from dissonance.adapters.memory.reference import PAGE_ROWS
from dissonance.adapters.memory.task_rows import LabelLine
from dissonance.contracts.times import LATEST_US
from dissonance.contracts.verdicts import Verdict
from dissonance.ports.store import Experience, LearnableRows, Window


class MemoryLearnable(Held):
    async def learnable(self, task_id: str, as_of_us: int = LATEST_US) -> AsyncGenerator[LearnableRows, None]:
        found = [
            _learnable(row, label)
            for row, label in self._learnable(task_id, _by_id)
            if max(row.processing_time_us, label.labelled_at_us) <= as_of_us
        ]
        for start in range(0, len(found), PAGE_ROWS):
            columns = zip(*found[start : start + PAGE_ROWS], strict=True)
            yield LearnableRows._make(map(list, columns))

    async def answered(self, task_id: str, model_digest: str, outside: Window, newest: int) -> LearnableRows:
        found = [
            _learnable(row, label)
            for row, label in self._learnable(task_id, by_event_time)
            if model_digest in (row.model_digest, row.shadow_digest)
            and not outside.start_us <= row.event_time_us < outside.end_us
        ]
        columns = list(zip(*found[max(0, len(found) - newest) :], strict=True))
        return LearnableRows._make(map(list, columns or [()] * len(LearnableRows._fields)))

    def _learnable(self, task_id: str, order: Callable[[Experience], Any]) -> Iterator[tuple[Experience, LabelLine]]:
        rows = [row for row in self._experience(task_id).values() if row.verdict is Verdict.ADMITTED]
        for row in sorted(rows, key=order):
            label = self._counted(task_id, row)
            if label is not None:
                yield row, label

    def _counted(self, task_id: str, row: Experience) -> LabelLine | None:
        """The label that counts: not withdrawn, not waiting for a second look."""
        label = self._of(task_id).labels.get(row.prediction_id)
        return label if label is not None and label.right is not None and label.learnable else None


def by_event_time(row: Experience) -> tuple[int, bytes]:
    return row.event_time_us, row.prediction_id


def _by_id(row: Experience) -> bytes:
    return row.prediction_id


def _learnable(row: Experience, label: LabelLine) -> tuple[Any, ...]:
    """As `LearnableRows` has columns."""
    return (
        row.prediction_id,
        row.event_time_us,
        row.data_subject,
        row.sealed,
        label.sealed,
        row.model_digest,
        label.source,
    )
