"""Two boosted models in one file answer exactly what their mixture answers, again and again."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dissonance.errors import ModelRefused
from dissonance.science.merge import LEAST_SHARE, MOST_COMPONENTS, merge
from dissonance.science.mixing import Calibration, mixed
from dissonance.science.proposer import LightGBMProposer, fit_lightgbm
from support.distributions import CATEGORY_SIZES, labelled_rows


@cache
def fitted(seed: int, classes: int) -> LightGBMProposer:
    features, target = labelled_rows(300, seed, classes)
    return fit_lightgbm(features, target, category_sizes=CATEGORY_SIZES, classes_count=classes, seed=seed, threads=1)


def rows() -> np.ndarray:
    return labelled_rows(200, 99)[0]


@settings(max_examples=25)
@given(
    st.sampled_from([2, 3]),
    st.floats(LEAST_SHARE, 1.0 - LEAST_SHARE),
    st.floats(0.3, 2.0),
    st.floats(-1.0, 1.0),
)
def test_merged_model_answers_what_the_mixture_answers(classes: int, step: float, scale: float, offset: float) -> None:
    old, new = fitted(1, classes), fitted(2, classes)
    offsets = (offset, *([-offset / (classes - 1)] * (classes - 1)))
    calibration = Calibration(scale, offsets)
    merged = merge(old, new, step, calibration)
    expected = mixed(old.probabilities(rows()), new.probabilities(rows()), step, calibration)
    np.testing.assert_allclose(merged.probabilities(rows()), expected, atol=1e-6)


@pytest.mark.parametrize("classes", [2, 3])
def test_a_step_of_nothing_is_the_incumbent_and_a_whole_one_the_new_model(classes: int) -> None:
    old, new, none = fitted(1, classes), fitted(2, classes), Calibration.none(classes)
    np.testing.assert_allclose(merge(old, new, 0.0, none).probabilities(rows()), old.probabilities(rows()), atol=1e-9)
    np.testing.assert_allclose(merge(old, new, 1.0, none).probabilities(rows()), new.probabilities(rows()), atol=1e-9)


def test_a_chain_of_updates_stays_small_and_its_shares_sum_to_one() -> None:
    model = fitted(1, 2)
    for seed in range(2, 12):
        model = merge(model, fitted(seed % 4 + 1, 2), 0.3, Calibration.none(2))
        assert len(model.components) <= MOST_COMPONENTS
        assert sum(component.share for component in model.components) == pytest.approx(1.0)
        p = model.probabilities(rows())
        np.testing.assert_allclose(p.sum(axis=1), 1.0)


def test_models_of_different_classes_cannot_be_merged() -> None:
    with pytest.raises(ModelRefused, match="different classes"):
        merge(fitted(1, 2), fitted(1, 3), 0.5, Calibration.none(2))
