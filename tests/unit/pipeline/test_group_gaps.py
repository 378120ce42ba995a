"""Gaps between groups are those of fairlearn's definitions, over groups that are large enough."""

from __future__ import annotations

import numpy as np
import pytest

from dissonance.contracts.schema import Feature, FeatureKind
from dissonance.decisions.updates.numbers import GroupGaps
from dissonance.pipeline.group_gaps import Answered, group_gaps

SEX = Feature("sex", FeatureKind.CATEGORY, categories=("f", "m", "x"))
AGE = Feature("age", FeatureKind.NUMBER, minimum=0.0, maximum=100.0)
TRUTH = np.array([0, 0, 1, 1] * 10)
GROUP = np.repeat([0.0, 1.0], 20)


def gaps(incumbent: np.ndarray, candidate: np.ndarray, rows_min: int = 5, k: int = 2) -> GroupGaps:
    return group_gaps(SEX, GROUP, Answered(TRUTH, incumbent, candidate), k, rows_min)


def test_a_model_that_is_right_differs_only_as_the_truth_does_and_one_that_favours_a_group_by_all() -> None:
    favouring = np.where(GROUP == 1.0, 1, TRUTH)
    found = gaps(TRUTH, favouring)
    assert (found.groups, found.incumbent_parity, found.incumbent_odds) == (2, 0.0, 0.0)
    assert found.candidate_parity == pytest.approx(0.5)  # all of one group, half of the other
    assert found.candidate_odds == pytest.approx(1.0)  # of those who should not get it: all, and none


def test_groups_that_are_too_small_are_not_compared() -> None:
    assert gaps(TRUTH, TRUTH, rows_min=21) == GroupGaps("sex", 0)
    odd = gaps(TRUTH, 1 - TRUTH, rows_min=11)
    assert (odd.groups, odd.candidate_odds) == (2, 0.0)  # of each true class a group has 10


def test_a_number_is_compared_by_quarters_of_its_range_and_of_many_classes_the_widest_gap_counts() -> None:
    ages = np.where(GROUP == 1.0, 90.0, 10.0)
    truth = np.array([0, 1, 2, 2] * 10)
    favouring = np.where(ages > 50.0, 2, truth)
    found = group_gaps(AGE, ages, Answered(truth, truth, favouring), 3, 5)
    assert (found.groups, found.candidate_parity, found.candidate_odds) == (2, pytest.approx(0.5), pytest.approx(1.0))
