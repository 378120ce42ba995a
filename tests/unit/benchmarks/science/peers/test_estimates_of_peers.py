"""What each peer says of windows whose accuracy is known."""

from __future__ import annotations

import numpy as np
import pytest

from science.estimate import Estimate, Traffic
from science.methods import METHODS
from science.peers.atc import atc
from science.peers.density import LEAST_WEIGHT, density_ratio
from science.peers.doc import doc
from science.peers.importance import importance_weighting
from science.peers.naive import naive
from science.peers.pape import pape
from science.prepare import Rows
from support.prepared import known_of, rows_of, traffic_of

REFERENCE = rows_of(3_000, 1)
KNOWN = known_of(REFERENCE)
ACCURACY = float(REFERENCE.right.mean())


@pytest.mark.parametrize("tell", [naive, atc, doc], ids=["naive", "ATC", "DoC"])
def test_the_reference_itself_has_its_own_accuracy(tell: object) -> None:
    estimate: Estimate = tell(KNOWN, traffic_of(REFERENCE))  # type: ignore[operator]

    assert estimate.value == pytest.approx(ACCURACY, abs=1e-3)


@pytest.mark.parametrize("name", ["PAPE", "importance weighting", "DoC", "ATC", "naive"])
def test_an_undisturbed_window_has_about_the_accuracy_of_the_reference(name: str) -> None:
    (estimate,) = METHODS[name](KNOWN, [traffic_of(rows_of(2_000, 2))])

    assert estimate.value == pytest.approx(ACCURACY, abs=0.03)


@pytest.mark.parametrize("classes", [2, 3])
def test_pape_follows_a_model_that_stays_calibrated_under_shift(classes: int) -> None:
    window = rows_of(3_000, 3, mean=1.0, classes=classes)
    known = known_of(rows_of(4_000, 1, classes=classes))
    truth = float(window.right.mean())

    told = pape(known, traffic_of(window)).value

    assert told is not None
    assert abs(told - truth) < 0.5 * abs(float(known.reference.right.mean()) - truth)


def test_importance_weighting_goes_part_of_the_way_where_reference_and_window_overlap() -> None:
    window = rows_of(3_000, 3, mean=1.0)
    truth = float(window.right.mean())

    told = importance_weighting(KNOWN, traffic_of(window)).value

    assert told is not None
    assert abs(told - truth) < 0.5 * abs(ACCURACY - truth)


def test_doc_stays_within_zero_and_one_however_sure_the_model_is() -> None:
    sure = Traffic(REFERENCE.features[:50], np.tile([0.0, 1.0], (50, 1)))
    right = Rows(REFERENCE.features, REFERENCE.p, REFERENCE.p.argmax(axis=1))

    assert doc(known_of(right), sure).value == 1.0


def test_density_ratio_is_large_where_the_window_is_and_never_nothing() -> None:
    weights = density_ratio(KNOWN, traffic_of(rows_of(2_000, 4, mean=1.5)))

    right, left = REFERENCE.features[:, 0] > 1.0, REFERENCE.features[:, 0] < -1.0
    assert weights[right].mean() > 10.0 * weights[left].mean()
    assert weights.min() >= LEAST_WEIGHT
