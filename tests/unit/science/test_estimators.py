"""Any scikit-learn classifier: prepared, stored without pickle, refused when it holds what nobody trusts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier

from dissonance.errors import ConfigurationError, ModelFailed, ModelRefused
from dissonance.science.estimators import EstimatorProposer, fit_estimator, load_estimator
from dissonance.science.metrics import accuracy
from support.distributions import CATEGORY_SIZES, Matrix, labelled_rows


class AlwaysFirst(ClassifierMixin, BaseEstimator):
    """A classifier from outside the trusted packages."""

    def fit(self, features: Matrix, classes: Any) -> AlwaysFirst:
        self.classes_ = np.unique(classes)
        return self

    def predict_proba(self, features: Matrix) -> Matrix:
        return np.eye(len(self.classes_))[np.zeros(len(features), dtype=int)]


def fitted(estimator: Any, classes: int = 2) -> EstimatorProposer:
    features, target = labelled_rows(400, 1, classes)
    return fit_estimator(estimator, features, target, category_sizes=CATEGORY_SIZES, classes_count=classes, seed=3)


@pytest.mark.parametrize(
    "estimator",
    [LogisticRegression(), RandomForestClassifier(20), HistGradientBoostingClassifier(max_iter=20)],
    ids=lambda estimator: type(estimator).__name__,
)
@pytest.mark.parametrize("classes", [2, 3])
def test_a_classifier_answers_the_same_after_it_was_stored(estimator: Any, classes: int) -> None:
    features, target = labelled_rows(300, 2, classes)
    model = fitted(estimator, classes)
    p = model.probabilities(features)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    assert accuracy(p, target) > 1.0 / classes + 0.2
    data, types = model.stored()
    np.testing.assert_array_equal(load_estimator(data, types, classes).probabilities(features), p)


def test_the_seed_decides_what_is_random() -> None:
    features, _ = labelled_rows(50, 2)
    forests = [fitted(RandomForestClassifier(5)).probabilities(features) for _ in range(2)]
    np.testing.assert_array_equal(*forests)


def test_the_callers_classifier_is_not_fitted_itself() -> None:
    classifier = LogisticRegression()
    fitted(classifier)
    assert not hasattr(classifier, "coef_")


def test_a_class_without_rows_gets_probability_0() -> None:
    features, target = labelled_rows(300, 1)
    model = fit_estimator(
        LogisticRegression(), features, target * 2, category_sizes=CATEGORY_SIZES, classes_count=3, seed=0
    )
    p = model.probabilities(features)
    assert p.shape == (300, 3)
    assert (p[:, 1] == 0.0).all()


def test_a_classifier_without_probabilities_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="predict_proba"):
        fitted(RidgeClassifier())


def test_a_class_in_place_of_a_classifier_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="LogisticRegression is a class"):
        fitted(LogisticRegression)


def test_a_type_that_nobody_declared_is_not_stored() -> None:
    with pytest.raises(ConfigurationError, match="AlwaysFirst"):
        fitted(AlwaysFirst()).stored()


def test_a_type_that_was_declared_is_stored_and_named() -> None:
    name = f"{AlwaysFirst.__module__}.AlwaysFirst"
    _, types = fitted(AlwaysFirst()).stored([name])
    assert name in types


def test_a_stored_type_that_the_manifest_does_not_name_is_refused() -> None:
    data, types = fitted(RandomForestClassifier(2)).stored()
    assert any("Tree" in name for name in types)
    with pytest.raises(ModelRefused, match="does not name"):
        load_estimator(data, [name for name in types if "Tree" not in name], 2)


def test_bytes_that_are_no_skops_file_are_refused() -> None:
    with pytest.raises(ModelRefused, match="cannot be read"):
        load_estimator(b"not a zip", [], 2)


def test_a_classifier_of_more_classes_is_refused() -> None:
    data, types = fitted(LogisticRegression(), classes=3).stored()
    with pytest.raises(ModelRefused, match="2 classes"):
        load_estimator(data, types, 2)


def test_a_classifier_that_refuses_a_row_has_failed_and_says_why() -> None:
    features, _ = labelled_rows(5, 1)
    with pytest.raises(ModelFailed, match="refused a row"):
        fitted(LogisticRegression()).probabilities(features[:, :2])
