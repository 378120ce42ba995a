"""Which part of the reference data a row is in. All rows of a data subject are in the same part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dissonance.contracts.counts import counted
from dissonance.errors import HoldoutLeak, InvalidDataFile
from dissonance.ports.store import Split

SHARES: tuple[tuple[Split, float], ...] = ((Split.TRAIN, 0.70), (Split.CRITIC, 0.15), (Split.GOLDEN, 0.15))

MIN_PART_ROWS = 10


class Parts(NamedTuple):
    """Positions of the rows of each part, ascending; together every row once."""

    train: NDArray[np.int64]
    critic: NDArray[np.int64]
    golden: NDArray[np.int64]


def split_rows(data_subjects: Sequence[str], classes: NDArray[np.int64], seed: int) -> Parts:
    """70 % train, 15 % critic, 15 % golden, the same for the same seed and file.

    Data subjects are drawn within the class of their first row, so that the parts have like shares of each class.
    """
    _, first_rows, group = np.unique(np.asarray(data_subjects, dtype=np.str_), return_index=True, return_inverse=True)
    sizes = np.bincount(group)
    group_class = classes[first_rows]
    generator = np.random.default_rng(seed)
    part_of_group = np.zeros(len(sizes), dtype=np.int64)
    bounds = np.cumsum([share for _, share in SHARES])[:-1]
    for index in range(int(classes.max()) + 1):
        members = generator.permutation(np.flatnonzero(group_class == index))
        # A data subject belongs where the middle of its rows falls.
        middles = np.cumsum(sizes[members]) - 0.5 * sizes[members]
        part_of_group[members] = np.searchsorted(bounds * sizes[members].sum(), middles, side="right")
    part = part_of_group[group]
    return Parts(*(np.flatnonzero(part == number) for number in range(len(SHARES))))


def require_parts(parts: Parts, classes: NDArray[np.int64]) -> None:
    """Raises `InvalidDataFile` when so few data subjects have so many rows that a part, or a class in training, has
    too few."""
    smallest = min(len(part) for part in parts)
    lacking = int(classes.max()) + 1 - len(np.unique(classes[parts.train]))
    if smallest < MIN_PART_ROWS or lacking:
        raise InvalidDataFile(
            f"{counted(lacking, 'class has', 'classes have')} no row to train on, and the smallest part has "
            f"{counted(smallest, 'row')}, since all rows of a data subject go to the same part",
            where="data subject",
            fix=f"give rows of more data subjects, so that each part has {MIN_PART_ROWS} rows",
        )


def splits_of(parts: Parts) -> list[Split]:
    """The part of each row, in order of rows."""
    splits = np.empty(sum(len(part) for part in parts), dtype=object)
    for (split, _), part in zip(SHARES, parts, strict=True):
        splits[part] = split
    return list(splits)


def refuse_leak(
    golden_rows: Sequence[int], golden_data_subjects: frozenset[str] | frozenset[bytes],
    other_rows: Sequence[int], other_data_subjects: Sequence[str] | Sequence[bytes],
) -> None:  # fmt: skip
    """Raises `HoldoutLeak` when a row of the golden holdout, or another row about one of its data subjects, is among
    the others. Rows are numbers within one data file, whose digest is the task's."""
    shared_rows = set(golden_rows) & set(other_rows)
    if shared_rows:
        raise HoldoutLeak(
            f"to be learnt from: {counted(len(shared_rows), 'row')} of the golden holdout, "
            f"first row {min(shared_rows)}",
            where="golden holdout",
            fix="leave them out",
        )
    shared = golden_data_subjects & set(other_data_subjects)
    if shared:
        raise HoldoutLeak(
            f"to be learnt from: {counted(len(shared), 'data subject')} of the golden holdout",
            where="golden holdout",
            fix="leave their rows out",
        )


def count_twins(golden: NDArray[np.float64], train: NDArray[np.float64]) -> int:
    """Golden rows whose features equal those of some training row: no leak, since many people share all values."""
    known = {row.tobytes() for row in np.ascontiguousarray(train)}
    return sum(row.tobytes() in known for row in np.ascontiguousarray(golden))
