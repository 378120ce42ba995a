"""Expected metrics are the metrics themselves when the critic knows the labels, and their mean when it does not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score

from dissonance.science.arrays import Classes, Matrix
from dissonance.science.expected import expected_metrics, soft_roc_auc
from dissonance.science.metrics import accuracy, brier_score, log_loss

seeds = st.integers(0, 100_000)


def drawn(seed: int, rows: int, classes: int) -> tuple[Matrix, Classes]:
    """Every class is there."""
    generator = np.random.default_rng(seed)
    labels = np.concatenate((np.arange(classes), generator.integers(0, classes, size=rows)))
    return generator.dirichlet(np.ones(classes), size=len(labels)), labels


@given(seeds, st.integers(2, 5))
def test_with_known_labels_they_are_the_metrics(seed: int, classes: int) -> None:
    p, labels = drawn(seed, 30, classes)
    found = expected_metrics(p, np.eye(classes)[labels])
    assert found.accuracy == pytest.approx(accuracy(p, labels))
    assert found.log_loss == pytest.approx(log_loss(p, labels))
    assert found.brier_score == pytest.approx(brier_score(p, labels))
    assert found.f1 == pytest.approx(f1_score(labels, p.argmax(axis=1), average="macro"))
    for index, each in enumerate(found.classes):
        answered = bool((p.argmax(axis=1) == index).any())
        assert each.recall == pytest.approx(recall_score(labels == index, p.argmax(axis=1) == index))
        if answered:
            assert each.precision == pytest.approx(precision_score(labels == index, p.argmax(axis=1) == index))


@given(seeds)
def test_area_with_known_labels_is_that_of_scikit_learn(seed: int) -> None:
    p, labels = drawn(seed, 30, 2)
    scores = np.round(p[:, 1], 1)
    assert soft_roc_auc(scores, labels.astype(float)) == pytest.approx(roc_auc_score(labels, scores))


@settings(max_examples=20)
@given(seeds)
def test_without_labels_they_are_the_mean_over_drawn_labels(seed: int) -> None:
    generator = np.random.default_rng(seed)
    p, q = generator.dirichlet(np.ones(3), size=40), generator.dirichlet(np.ones(3), size=40)
    draws = [np.array([generator.choice(3, p=row) for row in q]) for _ in range(150)]
    found = expected_metrics(p, q)
    spread = 5.0 / np.sqrt(40 * 150)
    assert found.accuracy == pytest.approx(np.mean([accuracy(p, labels) for labels in draws]), abs=spread)
    assert found.brier_score == pytest.approx(np.mean([brier_score(p, labels) for labels in draws]), abs=2.0 * spread)


def test_no_area_without_both_classes() -> None:
    assert np.isnan(soft_roc_auc(np.array([0.2, 0.4]), np.ones(2)))
    assert expected_metrics(np.full((2, 3), 1 / 3), np.full((2, 3), 1 / 3)).roc_auc is None
