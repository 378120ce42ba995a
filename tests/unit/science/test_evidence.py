"""What fresh labels say against a model: nothing without evidence, the truth with much of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dissonance.science.evidence import corrected_targets, fit_evidence
from support.distributions import CATEGORY_SIZES, Matrix, labelled_rows


def believed(n: int, seed: int, classes: int, *, scale: float = 1.0) -> tuple[Matrix, Matrix]:
    """Features, and a belief that depends on the first of them."""
    features, _ = labelled_rows(n, seed, classes)
    odds = scale * np.outer(features[:, 0], np.arange(classes))
    p = np.exp(odds - odds.max(axis=1, keepdims=True))
    return features, p / p.sum(axis=1, keepdims=True)


def drawn(p: Matrix, seed: int) -> np.ndarray:
    return np.asarray((np.random.default_rng(seed).random((len(p), 1)) > p.cumsum(axis=1)).sum(axis=1))


@pytest.mark.parametrize("classes", [2, 4])
def test_labels_that_follow_the_belief_leave_next_to_nothing(classes: int) -> None:
    corrections = []
    for seed in range(20):
        features, p = believed(200, seed, classes)
        evidence = fit_evidence(features, p, drawn(p, seed), category_sizes=CATEGORY_SIZES)
        corrections.append(np.abs(evidence.correction(features, p)).mean())
    assert np.mean(corrections) < 0.02


@pytest.mark.parametrize("classes", [2, 4])
def test_labels_that_contradict_the_belief_in_a_slice_correct_it_there(classes: int) -> None:
    features, p = believed(400, 3, classes)
    inside = features[:, 2] == 1.0
    labels = np.where(inside, 0, drawn(p, 5))
    evidence = fit_evidence(features, p, labels, category_sizes=CATEGORY_SIZES)
    correction = evidence.correction(features, p)[:, 0]
    assert evidence.probability > 0.99
    assert correction[inside].mean() > 0.5 * (1.0 - p[inside, 0]).mean()
    assert abs(correction[~inside].mean()) < 0.1


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 60), st.integers(0, 10_000), st.sampled_from([2, 3, 5]))
def test_corrections_of_a_row_sum_to_nothing_and_its_targets_to_one(n: int, seed: int, classes: int) -> None:
    features, p = believed(n, seed, classes)
    labels = np.random.default_rng(seed).integers(classes, size=n)
    evidence = fit_evidence(features, p, labels, category_sizes=CATEGORY_SIZES)
    assert 0.0 <= evidence.probability <= 1.0
    correction = evidence.correction(features, p)
    np.testing.assert_allclose(correction.sum(axis=1), 0.0, atol=1e-9)
    targets = corrected_targets(labels, correction)
    np.testing.assert_allclose(targets.sum(axis=1), 1.0)
    assert targets.min() >= 0.0


def test_nothing_to_correct_teaches_the_labels_as_they_are() -> None:
    targets = corrected_targets(np.array([1, 0]), np.zeros((2, 2)))
    assert targets.tolist() == [[0.0, 1.0], [1.0, 0.0]]
