"""A new model of all labelled rows: calibrated by what it would answer of rows it has not seen."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from dissonance.science.arrays import Matrix
from dissonance.science.metrics import log_loss
from dissonance.science.renewal import Believed, renew


class Remembers(NamedTuple):
    """Answers rows that it was fitted on with certainty, others with a coin flip."""

    seen: frozenset[float]

    def probabilities(self, features: Matrix) -> Matrix:
        known = np.array([row in self.seen for row in features[:, 0].tolist()])
        yes = np.where(known, 0.99, 0.5)
        return np.column_stack((1.0 - yes, yes))


class RememberingFit(NamedTuple):
    looked_up: int = 0

    def __call__(self, old: Believed, fresh: Believed) -> Remembers:
        return Remembers(frozenset(np.concatenate((old.features, fresh.features))[:, 0].tolist()))

    def like(self, whole: Remembers) -> RememberingFit:
        return RememberingFit(len(whole.seen))


def believed(start: int, n: int) -> Believed:
    return Believed(
        np.arange(start, start + n, dtype=np.float64)[:, None], np.ones(n, dtype=np.int64), np.full((n, 2), 0.5)
    )


@pytest.mark.parametrize("fresh_rows", [0, 5])
def test_no_row_is_answered_by_a_model_that_has_seen_it_but_the_model_has_seen_all(fresh_rows: int) -> None:
    train, reference, fresh = believed(0, 20), believed(20, 10), believed(30, fresh_rows)
    folds = (np.arange(10) % 2, np.arange(fresh_rows) % 2)
    new = renew(RememberingFit(), train, reference, fresh, weights=np.ones(10), folds=folds)
    assert new.model.seen == frozenset(range(30 + fresh_rows))
    assert (new.p_reference == 0.5).all()
    assert (new.p_fresh == 0.5).all()
    assert len(new.p_fresh) == fresh_rows


class Coin(NamedTuple):
    """Answers 0.5 whatever it is asked."""

    def probabilities(self, features: Matrix) -> Matrix:
        return np.full((len(features), 2), 0.5)

    def __call__(self, old: Believed, fresh: Believed) -> Coin:
        return self

    def like(self, whole: Coin) -> Coin:
        return self


def test_rows_that_are_like_todays_traffic_say_most_about_calibration() -> None:
    train, fresh = believed(0, 2), believed(0, 0)
    reference = Believed(np.zeros((2000, 1)), np.repeat([0, 1], 1000), np.full((2000, 2), 0.5))
    todays = np.where(reference.classes == 1, 1.9, 0.1)
    folds = (np.arange(2000) % 2, np.array([], dtype=np.int64))
    alike = renew(Coin(), train, reference, fresh, weights=np.ones(2000), folds=folds).calibration
    heavy = renew(Coin(), train, reference, fresh, weights=todays, folds=folds).calibration
    assert alike.offsets[1] == pytest.approx(0.0, abs=1e-4)
    assert heavy.offsets[1] > 1.0


def test_fresh_labels_outweigh_reference_rows_when_a_model_is_calibrated() -> None:
    train = believed(0, 2)
    reference = Believed(np.zeros((1000, 1)), np.repeat([0, 1], 500), np.full((1000, 2), 0.5))
    fresh = believed(0, 200)  # all of class 1
    folds = (np.arange(1000) % 2, np.arange(200) % 2)
    calibration = renew(Coin(), train, reference, fresh, weights=np.ones(1000), folds=folds).calibration
    yes = 1.0 / (1.0 + np.exp(calibration.offsets[0] - calibration.offsets[1]))
    answers = np.tile([1.0 - yes, yes], (200, 1))
    assert log_loss(answers, fresh.classes) < 0.3


def test_few_rows_calibrate_less_than_many() -> None:
    """At the same share of either class, as a pull that is worth a number of rows asks for."""
    train, fresh, sure = believed(0, 2), believed(0, 0), []
    for rows in (40, 4000):
        reference = Believed(np.zeros((rows, 1)), (np.arange(rows) % 10 > 0).astype(np.int64), np.full((rows, 2), 0.5))
        folds = (np.arange(rows) % 2, np.array([], dtype=np.int64))
        calibration = renew(Coin(), train, reference, fresh, weights=np.ones(rows), folds=folds).calibration
        sure.append(calibration.offsets[1] - calibration.offsets[0])
    assert 0.0 < sure[0] < 0.75 * sure[1]
    assert sure[1] == pytest.approx(np.log(9.0), abs=0.2)
