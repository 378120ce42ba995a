"""The first critic: learns where the proposer is wrong, and says so."""

from __future__ import annotations

import tracemalloc

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from dissonance.errors import ModelRefused
from dissonance.science.critic import Critic, fit_critic, out_of_fold_confidence
from dissonance.science.metrics import log_loss
from support.distributions import CATEGORY_SIZES, Matrix, labelled_rows


def overconfident(classes: int, n: int, seed: int) -> tuple[Matrix, Matrix, NDArray[np.int64]]:
    """A proposer that always says 0.9, right four times in five but for category 3, where it guesses."""
    generator = np.random.default_rng(seed)
    features, target = labelled_rows(n, seed, classes)
    is_right = generator.random(n) < np.where(features[:, 2] == 3, 1.0 / classes, 0.8)
    answers = np.where(is_right, target, (target + 1) % classes)
    p = np.full((n, classes), 0.1 / (classes - 1))
    p[np.arange(n), answers] = 0.9
    return features, p, target


def confidence_of_right(c: Matrix, p: Matrix, target: NDArray[np.int64]) -> float:
    return log_loss(np.column_stack((1.0 - c, c)), (p.argmax(axis=1) == target).astype(np.int64))


@pytest.mark.parametrize("classes", [2, 4])
def test_it_judges_better_than_the_proposer_judges_itself(classes: int) -> None:
    features, p, target = overconfident(classes, 2000, 1)
    critic = fit_critic(features, p, target, category_sizes=CATEGORY_SIZES)
    features, p, target = overconfident(classes, 2000, 2)
    c = critic.confidence(features, p)
    assert c.shape == (2000,)
    assert ((c > 0.0) & (c < 1.0)).all()
    assert confidence_of_right(c, p, target) < confidence_of_right(p.max(axis=1), p, target) - 0.02
    assert c[features[:, 2] == 3].mean() < c[features[:, 2] != 3].mean() - 0.15
    assert c.mean() == pytest.approx((p.argmax(axis=1) == target).mean(), abs=0.04)


def test_what_speaks_for_one_answer_may_speak_against_the_other() -> None:
    generator = np.random.default_rng(3)
    features = np.column_stack((generator.normal(size=(2000, 2)), generator.integers(4, size=2000)))
    target = (features[:, 0] > 0).astype(np.int64)
    answers = generator.integers(2, size=2000)
    p = np.where(answers[:, None] == np.arange(2), 0.7, 0.3)
    critic = fit_critic(features, p, target, category_sizes=CATEGORY_SIZES)
    c = critic.confidence(features, p)
    assert c[answers == target].mean() > c[answers != target].mean() + 0.4


@pytest.mark.parametrize("classes", [2, 4])
def test_it_says_the_same_after_it_was_stored(classes: int) -> None:
    features, p, target = overconfident(classes, 500, 1)
    critic = fit_critic(features, p, target, category_sizes=CATEGORY_SIZES)
    again = Critic.from_json(critic.to_json())
    assert again.classes_count == classes
    np.testing.assert_array_equal(again.confidence(features, p), critic.confidence(features, p))


def test_a_row_is_judged_alone_as_among_others() -> None:
    features, p, target = overconfident(2, 500, 1)
    critic = fit_critic(features, p, target, category_sizes=CATEGORY_SIZES)
    alone = critic.confidence(features[9:10], p[9:10])
    np.testing.assert_allclose(alone, critic.confidence(features, p)[9:10], rtol=1e-12)


def test_missing_values_are_judged_too() -> None:
    features, p, target = overconfident(2, 500, 1)
    critic = fit_critic(features, p, target, category_sizes=CATEGORY_SIZES)
    nothing = np.full((1, 3), np.nan)
    assert 0.0 < critic.confidence(nothing, p[:1])[0] < 1.0


@pytest.mark.parametrize(("answer", "expected"), [(0, 201 / 202), (1, 1 / 202)])
def test_a_proposer_that_is_always_or_never_right_gets_one_confidence(answer: int, expected: float) -> None:
    features, _ = labelled_rows(200, 1)
    p = np.tile(np.eye(2)[answer] * 0.8 + 0.1, (200, 1))
    critic = fit_critic(features, p, np.zeros(200, dtype=np.int64), category_sizes=CATEGORY_SIZES)
    np.testing.assert_allclose(critic.confidence(features, p), expected)


def test_a_row_is_not_judged_out_of_fold_by_a_critic_that_saw_it() -> None:
    features, p, target = overconfident(2, 100, 1)
    changed = target.copy()
    changed[0] = 1 - changed[0]
    options = {"category_sizes": CATEGORY_SIZES, "folds": 5, "seed": 2}
    one = out_of_fold_confidence(features, p, target, **options)  # type: ignore[arg-type]  # one dictionary for both
    other = out_of_fold_confidence(features, p, changed, **options)  # type: ignore[arg-type]  # likewise
    assert one[0] == other[0]
    assert (one != other).any()


def test_thousands_of_categories_take_no_matrix_of_that_width() -> None:
    generator, n, sizes = np.random.default_rng(1), 5000, (4000, 4000)
    features = np.column_stack([generator.integers(0, size, n) for size in sizes]).astype(np.float64)
    p = generator.dirichlet(np.ones(2), n)
    target = generator.integers(0, 2, n)
    tracemalloc.start()
    try:
        fit_critic(features, p, target, category_sizes=sizes)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 8 * n * sum(sizes) / 4


def test_bytes_that_are_no_critic_are_refused() -> None:
    with pytest.raises(ModelRefused, match="cannot be read"):
        Critic.from_json(b"{}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "version 2"),
        ({"input_weights": ((0.0,),)}, "do not fit"),
        ({"means": ()}, "do not fit"),
        ({"intercepts": (0.0, 0.0, 0.0)}, "another number of answers"),
    ],
)
def test_a_critic_whose_parts_do_not_fit_is_refused(change: dict[str, object], message: str) -> None:
    features, p, target = overconfident(2, 300, 1)
    model = fit_critic(features, p, target, category_sizes=CATEGORY_SIZES).model
    with pytest.raises(ModelRefused, match=message):
        Critic.from_json(msgspec.json.encode(msgspec.structs.replace(model, **change)))
