"""A snapshot as the material of an update: what `pipeline.retrain` fits on, and nothing that was stored since."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dissonance.contracts.schema import Task
from dissonance.pipeline.flow.collecting import RANDOM_CHECK
from dissonance.pipeline.flow.opening_snapshot import Stretch
from dissonance.pipeline.flow.snapshot import Origin, SnapshotRows
from dissonance.pipeline.mature_window import MOST_ROWS
from dissonance.pipeline.quarantining import Asked
from dissonance.pipeline.reference import NOWHERE, OpenedRows, Provenance, kept_from_updates
from dissonance.pipeline.retrain import Material
from dissonance.pipeline.splitting import refuse_leak
from dissonance.pipeline.training import LabelledRows
from dissonance.security.rows import reference_row_numbers

FROM_DATA_FILE = (Origin.TRAIN, Origin.CRITIC)


def material_of(
    task: Task,
    rows: SnapshotRows,
    opened: Sequence[Stretch],
    golden: OpenedRows,
    golden_people: frozenset[bytes],
    golden_excluded: int,
) -> Material:
    """Rows of a source are taught as those of the data file are. Raises `HoldoutLeak`."""
    erased = len(rows.row_ids) - sum(len(each.positions) for each in opened)
    train = _opened(task, rows, opened, (Origin.TRAIN, Origin.SOURCE), erased)
    whole = _opened(task, rows, opened, (Origin.CRITIC,))
    experience = _opened(task, rows, opened, (Origin.EXPERIENCE,))
    window = _opened(task, rows, opened, (Origin.WINDOW,))
    critic = whole.only([i for i, each in enumerate(whole.data_subjects) if not kept_from_updates(each)])
    numbers = [number for number in (*train.row_numbers, *whole.row_numbers) if number >= 0]
    others = [*train.data_subjects, *whole.data_subjects, *experience.data_subjects]
    refuse_leak(golden.row_numbers, golden_people, numbers, others)
    there = [i for each in opened for i in each.positions if rows.asked[i]]
    return Material(
        train=train,
        critic=critic,
        checks=whole,
        golden=golden,
        experience=experience,
        golden_excluded=golden_excluded,
        window=window.rows.features if len(window.row_numbers) else whole.rows.features[:MOST_ROWS],
        asked=Asked(
            frozenset(rows.idents[i] for i in there),
            frozenset(rows.idents[i] for i in there if rows.asked[i] == RANDOM_CHECK),
        ),
    )


def _opened(
    task: Task, rows: SnapshotRows, opened: Sequence[Stretch], origins: tuple[Origin, ...], erased: int = 0
) -> OpenedRows:
    mine = [each for each in opened if each.origin in origins]
    positions = [i for each in mine for i in each.positions]
    nothing = np.empty((0, len(task.schema.features)))
    labels = [np.empty(0, dtype=np.int64), *(each.labels for each in mine)]
    return OpenedRows(
        rows=LabelledRows(
            np.concatenate([nothing, *(each.features for each in mine)]),
            np.concatenate(labels),
        ),
        row_numbers=[number for each in mine for number in _row_numbers(rows, each)],
        data_subjects=[rows.data_subjects[i] for i in positions],
        erased=erased,
        provenance=_provenance(rows, positions) if origins == (Origin.EXPERIENCE,) else NOWHERE,
    )


def _row_numbers(rows: SnapshotRows, stretch: Stretch) -> list[int]:
    """-1 where it is none of the data file."""
    if stretch.origin not in FROM_DATA_FILE:
        return [-1] * len(stretch.positions)
    return reference_row_numbers([rows.idents[i] for i in stretch.positions])


def _provenance(rows: SnapshotRows, positions: list[int]) -> Provenance:
    found = rows.at(positions)
    return Provenance(found.idents, found.event_times_us, found.model_digests, found.label_sources)
