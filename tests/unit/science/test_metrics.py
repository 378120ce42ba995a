"""Measures of answers."""

from __future__ import annotations

import numpy as np
import pytest

from dissonance.science.metrics import (
    accuracy,
    brier_score,
    confusion_matrix,
    expected_calibration_error,
    log_loss,
    reliability,
)

P = np.array([[0.8, 0.2], [0.4, 0.6], [0.5, 0.5]])
CLASSES = np.array([0, 0, 1])


def test_known_values() -> None:
    assert accuracy(P, CLASSES) == pytest.approx(1 / 3)
    assert log_loss(P, CLASSES) == pytest.approx(-(np.log(0.8) + np.log(0.4) + np.log(0.5)) / 3)
    assert brier_score(P, CLASSES) == pytest.approx((0.08 + 0.72 + 0.5) / 3)


def test_log_loss_of_an_impossible_class_is_finite() -> None:
    assert np.isfinite(log_loss(np.array([[1.0, 0.0]]), np.array([1])))


def test_calibration_error_is_zero_when_confidence_is_what_happens() -> None:
    confidence, right = np.full(10, 0.7), np.array([1.0] * 7 + [0.0] * 3)
    assert expected_calibration_error(confidence, right) == pytest.approx(0.0)
    assert expected_calibration_error(confidence, np.zeros(10)) == pytest.approx(0.7)


def test_calibration_error_does_not_cancel_between_bins() -> None:
    assert expected_calibration_error(np.array([0.1, 0.9]), np.array([1.0, 0.0])) == pytest.approx(0.9)


def test_the_gaps_of_a_reliability_diagram_are_the_calibration_error() -> None:
    generator = np.random.default_rng(1)
    confidence = generator.random(500)
    right = (generator.random(500) < 0.7).astype(np.float64)
    found = reliability(confidence, right)
    gaps = np.nansum(found.rows * np.abs(found.confidence - found.right)) / found.rows.sum()
    assert gaps == pytest.approx(expected_calibration_error(confidence, right))


def test_rows_of_a_confusion_matrix_are_the_true_classes() -> None:
    found = confusion_matrix(P, CLASSES)
    assert found.sum(axis=1).tolist() == [2, 1]
    assert found.trace() == accuracy(P, CLASSES) * len(CLASSES)
