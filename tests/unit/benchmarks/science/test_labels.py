"""The part on labels: what it measures of a made case, and how it sums up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from science import labels
from science.learning_curves import FIXED_STEP, curves, labels_needed
from science.prepare import Prepared, Rows


def rows_of(n: int, seed: int, mean: float) -> Rows:
    """Labels follow the sign of the product of two numbers; the model knows only the first."""
    generator = np.random.default_rng(seed)
    features = generator.normal(mean, 1.0, size=(n, 2))
    yes = 1.0 / (1.0 + np.exp(-2.0 * features[:, 0]))
    classes = (generator.random(n) < 1.0 / (1.0 + np.exp(-4.0 * features[:, 0] * features[:, 1]))).astype(np.int64)
    return Rows(features, np.stack((1.0 - yes, yes), axis=1), classes)


def prepared(target_mean: float = -1.0) -> Prepared:
    model: Any = None
    pools = rows_of(300, 1, 1.0), rows_of(300, 2, 1.0), rows_of(300, 3, 1.0), rows_of(600, 4, target_mean)
    about = ("made", "made", "made", 1, (0, 0), ("a", "b"))  # case, group, family, seed, category sizes, names
    return Prepared(*about, model, *pools)


def test_labels_needed_are_read_off_the_curve_between_its_steps() -> None:
    counts = np.array([100.0, 200.0, 400.0])
    assert labels_needed(counts, np.array([0.6, 0.7, 0.9]), 0.5, 1.0) == pytest.approx(400.0)
    assert labels_needed(counts, np.array([0.6, 0.8, 0.9]), 0.5, 0.9) == pytest.approx(240.0)
    assert labels_needed(counts, np.array([0.6, 0.6, 0.6]), 0.5, 1.0) is None


def test_a_step_back_on_the_curve_counts_for_both_sides_of_it() -> None:
    needed = labels_needed(np.array([100.0, 200.0, 300.0]), np.array([0.9, 0.7, 0.9]), 0.5, 1.0)
    assert needed is not None
    assert needed > 200.0, "the luck of the first step is evened out"


def test_a_case_whose_labels_teach_nothing_has_no_curve() -> None:
    assert list(curves(prepared(target_mean=1.0))) == []


def test_rows_of_a_case_tell_labels_needed_coverage_and_second_looks_and_sum_up() -> None:
    found = labels.rows(prepared())
    assert {row["measure"] for row in found} == {"needed", "coverage", "second look"}
    assert all({"group", "case", "seed"} <= set(row) for row in found)
    summed = labels.summary(found)
    assert summed["cases with learning curves"] == 1
    needed = {(line["metric"], line["method"]): line for line in summed[labels.NEEDED]}
    assert needed["accuracy", "random"]["each to random"] == 1.0
    assert needed["accuracy", "random"][f"{FIXED_STEP} labels, above random"] == 0.0
    assert all(0.0 <= line["covered"] <= 1.0 for line in summed[labels.COVERED])
    told = labels.figures(summed)
    assert told["labels_total_to_random"] == needed["accuracy", labels.OURS]["total to random"]
    assert {limit.name for limit in labels.limits(summed)} <= set(told)
