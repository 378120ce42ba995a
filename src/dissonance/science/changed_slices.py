"""The slice in which a model is wrong more often than expected: where the concept, or somebody, changed the labels.

The best slice counts when chance alone seldom gives one as good: labels are drawn anew from the expected errors and
searched in the same way (parametric bootstrap; Davison and Hinkley 1997), so that looking at many slices costs no false
alarms. `find_changed_slice` looks at all of them (`slice_scan`); `find_wide_slice` is a quick one that errs on the wide
side (`slice_tree`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from dissonance.errors import InputError
from dissonance.science.arrays import Vector
from dissonance.science.slice_scan import CERTAIN, Scan
from dissonance.science.slice_tree import Columns, Tree
from dissonance.science.slices import ChangedSlice, Checked, Condition, inside_all, shifted

DRAWS = 99


def find_changed_slice(
    rows: Checked, *, category_sizes: Sequence[int], level: float, seed: int, draws: int = DRAWS
) -> ChangedSlice | None:
    """The slice that stands out from the other rows; None when chance gives as much evidence of one with probability
    above `level`, in (0, 1), at most `draws` times in as many trials. An error that is alike everywhere is no slice. A
    missing number is on neither side of a bound. Raises `InputError` for a level that is none."""
    _check(level)
    if rows.n < 2 * rows.least:
        return None
    scan = Scan(rows, category_sizes)
    if not scan.conditions:
        return None
    expected = shifted(rows.expected, rows.wrong, np.ones(rows.n), CERTAIN)
    p_value = _by_chance(scan.score, scan.score(rows.wrong), expected, level, seed, draws)
    return None if p_value is None else _found(rows, scan.likeliest(rows.wrong), p_value)


def find_wide_slice(
    rows: Checked, *, category_sizes: Sequence[int], level: float, seed: int, draws: int = DRAWS
) -> ChangedSlice | None:
    """The same by a tree, at a hundredth of the work: its first bound is set before it knows of the second, so that
    slices are wide, and a missing number is below every bound."""
    _check(level)
    columns = Columns.of(category_sizes)
    if rows.n < 2 * rows.least or not columns.origin:
        return None
    tree = Tree.of(rows, columns)
    best = tree.best(rows.wrong)
    if best is None:
        return None
    expected = shifted(rows.expected, rows.wrong, rows.weights)
    p_value = _by_chance(tree.score, best.score, expected, level, seed, draws)
    return None if p_value is None else _found(rows, tree.conditions(best), p_value)


def _check(level: float) -> None:
    if not 0.0 < level < 1.0:
        raise InputError(f"a level of {level}", where="level", fix="give a number between 0 and 1")


def _by_chance(
    score: Callable[[Vector], float], seen: float, expected: Vector, level: float, seed: int, draws: int
) -> float | None:
    """How often chance gives as high a score, (0, 1]; None as soon as that is more often than `level`."""
    generator = np.random.default_rng(seed)
    allowed, as_good = int(level * (draws + 1)) - 1, 0
    for _ in range(draws):
        as_good += score((generator.random(len(expected)) < expected).astype(np.float64)) >= seen
        if as_good > allowed:
            return None
    return (1 + as_good) / (draws + 1)


def _found(rows: Checked, conditions: tuple[Condition, ...], p_value: float) -> ChangedSlice:
    inside = np.flatnonzero(inside_all(conditions, rows.features))
    excess = np.average(rows.wrong[inside] - rows.expected[inside], weights=rows.weights[inside])
    return ChangedSlice(conditions, len(inside), float(excess), p_value)
