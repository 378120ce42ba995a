"""The slices of a window that is over: its newest rows are opened, counted, and closed again."""

from __future__ import annotations

import asyncio

import msgspec
import numpy as np

from dissonance.contracts.windows import SliceFigures
from dissonance.ports.keys import DataSubjectKeys
from dissonance.ports.store import ExperienceStore, Window
from dissonance.roles.catalogue import TaskContext
from dissonance.roles.evaluator.slices import SliceRows, slice_figures
from dissonance.security.rows import features_matrix, open_rows


class Slicing:
    def __init__(self, store: ExperienceStore, keys: DataSubjectKeys) -> None:
        self._store = store
        self._keys = keys

    async def of(self, context: TaskContext, window: Window, before: Window | None) -> tuple[SliceFigures, ...]:
        """Slices over at most `window_rows` of the newest rows; those of `before` while nothing else changed.

        Rows of erased data subjects are in the window's figures and in no slice.
        """
        if before is not None and before.closed and _same(before, window):
            return before.slices
        task, policy = context.task, context.policy
        rows = await self._store.between(task.task_id, window.start_us, window.end_us, policy.window_rows)
        keys = await self._keys.find(task.task_id, list({row.data_subject for row in rows}))
        opened = await asyncio.to_thread(
            open_rows,
            keys,
            task.task_id,
            [row.prediction_id for row in rows],
            [row.data_subject for row in rows],
            [row.sealed for row in rows],
        )
        width = len(task.schema.features)
        whole = [i for i, row in enumerate(opened) if row is not None and len(row.features) == 8 * width]
        if not whole:
            return ()
        sliced = SliceRows(
            features=features_matrix([row for i in whole if (row := opened[i]) is not None], width),
            confidences=np.array([rows[i].confidence for i in whole]),
            dissonances=np.array([rows[i].dissonance for i in whole]),
            right=np.array([_number(rows[i].right) for i in whole]),
        )
        return slice_figures(task.schema, sliced, policy.slice_rows_min)


def _same(before: Window, window: Window) -> bool:
    kept = {"revision": before.revision, "slices": before.slices, "estimate": before.estimate}
    return msgspec.structs.replace(window, **kept) == before


def _number(right: bool | None) -> float:
    return float("nan") if right is None else float(right)
