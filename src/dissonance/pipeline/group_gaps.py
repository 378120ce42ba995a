"""How far two models treat groups of people alike on golden rows, by the metrics of fairlearn (Bird et al. 2020)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dissonance.contracts.schema import Feature
from dissonance.decisions.slices import parts_of
from dissonance.decisions.updates.numbers import GroupGaps

NOBODY = -1


class Answered(NamedTuple):
    """Class indices (n,): the truth, and what each model answers."""

    truth: NDArray[np.int64]
    incumbent: NDArray[np.int64]
    candidate: NDArray[np.int64]

    def at(self, rows: NDArray[np.bool_]) -> Answered:
        return Answered(*(column[rows] for column in self))


def group_gaps(
    feature: Feature, column: NDArray[np.float64], answered: Answered, classes_count: int, rows_min: int
) -> GroupGaps:
    """`column` (n,) of the golden rows. Groups are its categories, or the quarters of a number's reference range, with
    at least `rows_min` rows; for equalised odds of each true class. Of three classes and more each is held against the
    others, and the largest gap counts."""
    group = np.full(len(column), NOBODY)
    for number, part in enumerate(parts_of(feature, column, rows_min)):
        group[part.inside] = number
    found = [int(each) for each in np.unique(group[group != NOBODY])]
    if len(found) < 2:
        return GroupGaps(feature.name, len(found))
    # It loads for seconds, and only tasks that declare a sensitive column need it.
    from fairlearn.metrics import demographic_parity_difference, equalized_odds_difference

    named = range(1, 2) if classes_count == 2 else range(classes_count)
    compared = [found, [each for each in found if _has_each_class(answered.truth[group == each], named, rows_min)]]
    parity, odds = (
        _largest(metric, answered.at(np.isin(group, groups)), group[np.isin(group, groups)], named)
        for metric, groups in zip((demographic_parity_difference, equalized_odds_difference), compared, strict=True)
    )
    return GroupGaps(feature.name, len(found), parity[0], parity[1], odds[0], odds[1])


def _has_each_class(truth: NDArray[np.int64], named: range, rows_min: int) -> bool:
    return all(rows_min <= int((truth == each).sum()) <= len(truth) - rows_min for each in named)


def _largest(
    metric: Callable[..., float], answered: Answered, group: NDArray[np.int64], named: range
) -> tuple[float, float]:
    """Of incumbent and candidate; 0 without two groups."""
    if len(np.unique(group)) < 2:
        return 0.0, 0.0
    before, after = (
        max(float(metric(answered.truth == each, answers == each, sensitive_features=group)) for each in named)
        for answers in (answered.incumbent, answered.candidate)
    )
    return before, after
