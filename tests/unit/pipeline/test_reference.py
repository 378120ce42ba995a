"""Labelled experience as training reads it."""

from __future__ import annotations

import asyncio

import numpy as np

from dissonance.pipeline.reference import learnable_rows, open_experience
from support.workshop import add_experience, small_task


def test_experience_is_in_order_of_event_time_however_it_came_each_row_with_its_label() -> None:
    work, task = small_task()
    features = np.arange(12.0).reshape(4, 3)
    times = [40, 20, 40, 10]
    asyncio.run(add_experience(work, task, features, [0, 1, 0, 1], ["a", "b", "c", "d"], event_times_us=times))
    rows = asyncio.run(open_experience(work, task))
    assert rows.rows.features[:, 0].tolist() == [9.0, 3.0, 0.0, 6.0]
    assert rows.rows.classes.tolist() == [1, 1, 0, 0]
    assert rows.provenance.event_times_us == [10, 20, 40, 40]
    assert rows.data_subjects == [work.keys.data_subject_hash(task.task_id, each) for each in "dbac"]
    assert asyncio.run(learnable_rows(work, task)).event_times_us == [10, 20, 40, 40]
