"""The sceptic: learns where the proposer is wrong, from few rows, for the traffic that the weights speak of."""

from __future__ import annotations

import tracemalloc

import msgspec
import numpy as np
import pytest

from dissonance.errors import ModelRefused
from dissonance.science.arrays import Matrix
from dissonance.science.sceptic import Labelled, Sceptic, ScepticModel, fit_sceptic, out_of_fold_confidence

SIZES = (0, 3)


def rows(count: int, seed: int, classes: int = 2, wrong_above: float = 0.5) -> Labelled:
    """The proposer says class 0 with 0.9; where the number is above `wrong_above`, half of that is wrong."""
    generator = np.random.default_rng(seed)
    features = np.column_stack((generator.uniform(size=count), generator.integers(0, 3, size=count)))
    p = np.full((count, classes), 0.1 / (classes - 1))
    p[:, 0] = 0.9
    right = generator.uniform(size=count) < np.where(features[:, 0] > wrong_above, 0.5, 0.9)
    return Labelled(features, p, np.where(right, 0, 1))


@pytest.mark.parametrize("classes", [2, 4])
def test_confidence_is_low_where_the_proposer_is_wrong_more_often_than_it_says(classes: int) -> None:
    critic = fit_sceptic(rows(3000, 1, classes), category_sizes=SIZES, seed=1)
    seen = rows(2000, 2, classes)
    confidence = critic.confidence(seen.features, seen.p)
    assert confidence[seen.features[:, 0] > 0.5].mean() == pytest.approx(0.5, abs=0.08)
    assert confidence[seen.features[:, 0] < 0.5].mean() == pytest.approx(0.9, abs=0.05)


@pytest.mark.parametrize("classes", [2, 4])
def test_distribution_sums_to_one_and_survives_its_text(classes: int) -> None:
    critic = fit_sceptic(rows(400, 1, classes), category_sizes=SIZES, seed=1)
    seen = rows(50, 2, classes)
    q = critic.distribution(seen.features, seen.p)
    np.testing.assert_allclose(q.sum(axis=1), 1.0)
    again = Sceptic.from_json(critic.to_json())
    np.testing.assert_array_equal(again.distribution(seen.features, seen.p), q)


def test_weights_make_it_speak_of_the_rows_that_count() -> None:
    one, other = rows(2000, 1, wrong_above=2.0), rows(2000, 2, wrong_above=-1.0)
    both = Labelled(*(np.concatenate(pair) for pair in zip(one, other, strict=True)))
    mostly_other = np.concatenate((np.full(2000, 0.1), np.full(2000, 1.9)))
    plain = fit_sceptic(both, category_sizes=SIZES, seed=1)
    weighted = fit_sceptic(both, category_sizes=SIZES, seed=1, weights=mostly_other)
    assert weighted.confidence(one.features, one.p).mean() < plain.confidence(one.features, one.p).mean() - 0.05


def test_a_proposer_that_is_always_right_keeps_its_confidence_or_gains() -> None:
    seen = rows(500, 1, wrong_above=2.0)
    seen = seen._replace(classes=np.zeros_like(seen.classes))
    assert (fit_sceptic(seen, category_sizes=SIZES, seed=1).confidence(seen.features, seen.p) > 0.9).all()


def test_out_of_fold_belief_is_about_as_high_as_the_accuracy() -> None:
    seen = rows(4000, 3)
    confidence = out_of_fold_confidence(seen, category_sizes=SIZES, seed=1)
    assert confidence.mean() == pytest.approx(seen.right.mean(), abs=0.02)


def test_a_row_is_not_judged_out_of_fold_by_a_critic_that_saw_it() -> None:
    seen = rows(200, 1)
    changed = seen._replace(classes=np.concatenate((1 - seen.classes[:1], seen.classes[1:])))
    one, other = (out_of_fold_confidence(each, category_sizes=SIZES, seed=2) for each in (seen, changed))
    assert one[0] == other[0]
    assert (one != other).any()


def test_a_row_is_judged_alone_as_among_others() -> None:
    seen = rows(500, 1)
    critic = fit_sceptic(seen, category_sizes=SIZES, seed=1)
    alone = critic.confidence(seen.features[9:10], seen.p[9:10])
    np.testing.assert_allclose(alone, critic.confidence(seen.features, seen.p)[9:10], rtol=1e-12)


def test_what_speaks_for_one_answer_speaks_against_the_other() -> None:
    generator = np.random.default_rng(3)
    features = np.column_stack((generator.normal(size=2000), generator.integers(3, size=2000)))
    truth = (features[:, 0] > 0).astype(np.int64)
    answers = generator.integers(2, size=2000)
    p = np.where(answers[:, None] == np.arange(2), 0.7, 0.3)
    c = fit_sceptic(Labelled(features, p, truth), category_sizes=SIZES, seed=1).confidence(features, p)
    assert c[answers == truth].mean() > c[answers != truth].mean() + 0.4


def test_thousands_of_categories_take_no_matrix_of_that_width() -> None:
    generator, n, sizes = np.random.default_rng(1), 5000, (4000, 4000)
    features = np.column_stack([generator.integers(0, size, n) for size in sizes]).astype(np.float64)
    seen = Labelled(features, generator.dirichlet(np.ones(2), n), generator.integers(0, 2, n))
    tracemalloc.start()
    try:
        fit_sceptic(seen, category_sizes=sizes, seed=1)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 8 * n * sum(sizes) / 4


def test_missing_values_and_ten_rows_are_enough_to_fit() -> None:
    few = rows(10, 1)
    features: Matrix = few.features.copy()
    features[::2] = np.nan
    critic = fit_sceptic(few._replace(features=features), category_sizes=SIZES, seed=1)
    assert np.isfinite(critic.confidence(features, few.p)).all()
    assert critic.distribution(features[:0], few.p[:0]).shape == (0, 2)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        msgspec.json.encode(ScepticModel((0.0, 0.0), "no model")),
        msgspec.json.encode(ScepticModel((0.0, 0.0), "tree\n", version=3)),
    ],
)
def test_bytes_that_are_no_critic_are_refused(data: bytes) -> None:
    with pytest.raises(ModelRefused):
        Sceptic.from_json(data)


def test_critic_of_a_later_version_or_of_other_classes_is_refused() -> None:
    model = fit_sceptic(rows(100, 1, 4), category_sizes=SIZES, seed=1).model
    with pytest.raises(ModelRefused, match="version 3"):
        Sceptic.from_json(msgspec.json.encode(msgspec.structs.replace(model, version=3)))
    with pytest.raises(ModelRefused, match="classes"):
        Sceptic.from_json(msgspec.json.encode(msgspec.structs.replace(model, offsets=(0.0, 0.0))))
