"""A model with its last feature fixed answers exactly what the model answers of rows with that value."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dissonance.errors import InputError
from dissonance.science.fixing import fix_last_feature
from dissonance.science.merge import merge
from dissonance.science.mixing import Calibration
from dissonance.science.proposer import LightGBMProposer, fit_lightgbm
from support.distributions import CATEGORY_SIZES, labelled_rows


@cache
def told(seed: int, classes: int, size: int = 0) -> LightGBMProposer:
    """A model of rows whose last feature says much: the class is another one where it is 1."""
    features, target = labelled_rows(600, seed, classes)
    flag = np.arange(600) % 3 == 0
    taught = np.where(flag, (target + 1) % classes, target)
    return fit_lightgbm(
        np.column_stack((features, flag)),
        taught,
        category_sizes=(*CATEGORY_SIZES, size),
        classes_count=classes,
        seed=seed,
        threads=1,
        rounds=12,
    )


def rows() -> np.ndarray:
    return labelled_rows(300, 99)[0]


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 3), st.sampled_from([2, 3]), st.sampled_from([0.0, 1.0, 0.3, -7.0, 2.0]))
def test_fixed_model_answers_what_the_model_answers_with_that_value(seed: int, classes: int, value: float) -> None:
    model, features = told(seed, classes), rows()
    fixed = fix_last_feature(model, value).probabilities(features)
    np.testing.assert_array_equal(fixed, model.probabilities(np.column_stack((features, np.full(300, value)))))


def test_the_feature_matters_before_and_is_gone_after() -> None:
    model, features = told(1, 2), rows()
    old, new = (fix_last_feature(model, value).probabilities(features) for value in (0.0, 1.0))
    assert np.abs(old - new).mean() > 0.1
    assert "max_feature_idx=2\n" in fix_last_feature(model, 1.0).text


def test_fixed_model_can_be_merged_with_one_that_never_had_the_feature() -> None:
    features, target = labelled_rows(300, 7)
    plain = fit_lightgbm(features, target, category_sizes=CATEGORY_SIZES, classes_count=2, seed=1, threads=1, rounds=5)
    fixed = fix_last_feature(told(1, 2), 1.0)
    merged = merge(fixed, plain, 0.5, Calibration.none(2)).probabilities(rows())
    odds = [np.log(model.probabilities(rows())) for model in (fixed, plain)]
    expected = np.exp(0.5 * (odds[0] + odds[1]))
    np.testing.assert_allclose(merged, expected / expected.sum(axis=1, keepdims=True), atol=1e-9)


def test_a_tree_that_splits_on_nothing_else_becomes_a_single_leaf() -> None:
    flag = (np.arange(400) % 2).astype(np.float64)
    features = np.column_stack((np.zeros(400), flag))
    model = fit_lightgbm(
        features, flag.astype(np.int64), category_sizes=(0, 0), classes_count=2, seed=1, threads=1, rounds=5
    )
    for value in (0.0, 1.0):
        fixed = fix_last_feature(model, value).probabilities(features[:5, :1])
        np.testing.assert_array_equal(fixed, model.probabilities(np.column_stack((np.zeros(5), np.full(5, value)))))


def test_a_category_cannot_be_fixed() -> None:
    with pytest.raises(InputError, match="category"):
        fix_last_feature(told(1, 2, size=2), 1.0)
