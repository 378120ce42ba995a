"""Boosted trees: deterministic, whole through their text, at home with categories and missing values."""

from __future__ import annotations

import numpy as np
import pytest

from dissonance.errors import ModelRefused
from dissonance.science.metrics import accuracy
from dissonance.science.proposer import LightGBMProposer, fit_lightgbm
from support.distributions import CATEGORY_SIZES, labelled_rows


def fitted(classes: int = 2, seed: int = 3) -> LightGBMProposer:
    features, target = labelled_rows(600, 1, classes)
    return fit_lightgbm(features, target, category_sizes=CATEGORY_SIZES, classes_count=classes, seed=seed, threads=1)


@pytest.mark.parametrize("classes", [2, 3])
def test_rows_sum_to_1_and_beat_chance_on_rows_never_seen(classes: int) -> None:
    features, target = labelled_rows(500, 2, classes)
    p = fitted(classes).probabilities(features)
    assert p.shape == (500, classes)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    assert accuracy(p, target) > 1.0 / classes + 0.2


def test_same_rows_and_seed_give_the_same_model_to_the_byte() -> None:
    assert fitted().text == fitted().text


def test_another_seed_gives_another_model() -> None:
    assert fitted(seed=3).text != fitted(seed=4).text


def test_a_model_answers_the_same_after_its_text_was_stored() -> None:
    features, _ = labelled_rows(50, 4)
    model = fitted()
    again = LightGBMProposer.from_text(model.text, 2)
    np.testing.assert_array_equal(model.probabilities(features), again.probabilities(features))


def test_a_row_gets_the_same_answer_alone_as_among_others() -> None:
    features, _ = labelled_rows(50, 4)
    model = fitted()
    np.testing.assert_array_equal(model.probabilities(features[7:8])[0], model.probabilities(features)[7])


def test_no_rows_give_no_answers() -> None:
    assert fitted().probabilities(np.empty((0, 3))).shape == (0, 2)


def test_the_category_is_used_as_one_not_as_an_amount() -> None:
    generator = np.random.default_rng(0)
    code = generator.integers(4, size=800).astype(np.float64)
    target = np.isin(code, (0, 2)).astype(np.int64)
    features = np.column_stack((generator.normal(size=(800, 2)), code))
    model = fit_lightgbm(features, target, category_sizes=CATEGORY_SIZES, classes_count=2, seed=1, threads=1)
    assert accuracy(model.probabilities(features), target) == 1.0


def test_progress_rises_to_the_whole() -> None:
    features, target = labelled_rows(400, 1)
    seen: list[float] = []
    fit_lightgbm(
        features,
        target,
        category_sizes=CATEGORY_SIZES,
        classes_count=2,
        seed=1,
        threads=1,
        progress=seen.append,
    )
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_text_that_is_no_model_is_refused() -> None:
    with pytest.raises(ModelRefused, match="not LightGBM's"):
        LightGBMProposer.from_text("tree\nnothing", 2)


def test_a_model_of_another_number_of_classes_is_refused() -> None:
    with pytest.raises(ModelRefused, match="has 3 classes"):
        LightGBMProposer.from_text(fitted().text, 3)
