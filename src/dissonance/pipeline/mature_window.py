"""The last mature production window: the inputs on which an update is held against the incumbent (KL bound)."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dissonance.contracts.schema import Task
from dissonance.decisions.updates.numbers import REFERENCE_INPUTS, WINDOW_INPUTS
from dissonance.pipeline.reference import open_reference
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.store import Split, Window
from dissonance.security.rows import features_matrix, open_rows

MOST_ROWS = 4_000
LEAST_ROWS = 30


class Inputs(NamedTuple):
    """`features` (n, d); `of`: `WINDOW_INPUTS` or `REFERENCE_INPUTS`."""

    features: NDArray[np.float64]
    of: str


async def mature_window(workshop: Workshop, task: Task) -> Inputs:
    """At most `MOST_ROWS` inputs of the newest window that is closed, labelled or not; of the critic's reference rows
    while no closed window has `LEAST_ROWS`. Raises `EngineUnavailable`."""
    for window in await workshop.store.windows(task.task_id):
        if window.closed and window.rows >= LEAST_ROWS:
            features = (await open_window(workshop, task, window, MOST_ROWS)).features
            if len(features) >= LEAST_ROWS:
                return Inputs(features, WINDOW_INPUTS)
    reference = await open_reference(workshop, task, Split.CRITIC)
    return Inputs(reference.rows.features[:MOST_ROWS], REFERENCE_INPUTS)


class OpenedWindow(NamedTuple):
    """`features` (n, d); `model_digest`: of the model that answered most of the rows, empty when there is none."""

    features: NDArray[np.float64]
    model_digest: str


async def open_window(workshop: Workshop, task: Task, window: Window, most_rows: int) -> OpenedWindow:
    """The newest rows of a window; those of erased data subjects are left out."""
    rows = await workshop.store.between(task.task_id, window.start_us, window.end_us, most_rows)
    data_subjects = [row.data_subject for row in rows]
    keys = await workshop.keys.find(task.task_id, list(set(data_subjects)))
    ids = [row.prediction_id for row in rows]
    opened = open_rows(keys, task.task_id, ids, data_subjects, [row.sealed for row in rows])
    features = features_matrix([row for row in opened if row is not None], len(task.schema.features))
    return OpenedWindow(features, Counter(row.model_digest for row in rows).most_common(1)[0][0] if rows else "")
