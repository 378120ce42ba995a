"""Accuracy of a window: near the truth where inputs moved, typed silence where nothing overlaps."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from dissonance.errors import InputError
from dissonance.science.sceptic import Labelled
from dissonance.science.shift_table import Calibration, Uncertainty, shipped_table
from dissonance.science.window_accuracy import (
    CannotTell,
    Reference,
    WindowAccuracy,
    fit_reference,
    window_accuracy,
)

SIZES = (0, 4, 0)
MARGIN = 0.01


def rows(count: int, seed: int, hard: float = 0.2) -> Labelled:
    """The answer follows the first number; on rows of category 3, `hard` of all, labels are coin flips. The proposer
    is as sure there as elsewhere."""
    generator = np.random.default_rng(seed)
    codes = np.where(generator.uniform(size=count) < hard, 3.0, generator.integers(0, 3, size=count))
    features = np.column_stack((generator.normal(size=count), codes, generator.normal(size=count)))
    p_one = expit(1.5 * features[:, 0])
    truth = np.where(codes == 3.0, 0.5, p_one)
    return Labelled(
        features, np.column_stack((1.0 - p_one, p_one)), (generator.uniform(size=count) < truth).astype(int)
    )


@pytest.fixture(scope="module")
def reference() -> Reference:
    return fit_reference(rows(2500, 1), category_sizes=SIZES, seed=1)


def judged(reference: Reference, window: Labelled, margin: float = MARGIN) -> WindowAccuracy:
    found = window_accuracy(reference, window.features, window.p, margin=margin)
    assert isinstance(found, WindowAccuracy)
    return found


def test_an_undisturbed_window_is_as_good_as_the_reference_and_does_no_harm(reference: Reference) -> None:
    window = rows(1500, 2)
    found = judged(reference, window)
    assert found.accuracy == pytest.approx(window.right.mean(), abs=0.03)
    assert found.low <= window.right.mean() <= found.high
    assert found.harm.p_value > 0.05


def test_more_of_the_hard_rows_are_seen_before_any_label_and_alarm(reference: Reference) -> None:
    window = rows(1500, 3, hard=0.7)
    found = judged(reference, window)
    assert window.right.mean() < found.reference_accuracy - 0.05
    assert found.low <= window.right.mean() <= found.high
    assert found.bound <= window.right.mean()
    assert found.harm.p_value < 0.01
    assert found.harm.drop > 0.05


def test_a_shift_that_harms_nothing_does_not_alarm(reference: Reference) -> None:
    window = rows(1500, 4)
    # The second number moves; neither the answers nor their errors depend on it.
    moved = window._replace(features=window.features + np.array([0.0, 0.0, 1.0]))
    found = judged(reference, moved)
    assert found.overlap.auc > 0.6
    assert found.harm.p_value > 0.05
    assert found.accuracy == pytest.approx(window.right.mean(), abs=0.04)


def test_without_overlap_there_is_no_number_but_the_column_that_separates(reference: Reference) -> None:
    window = rows(500, 5)
    apart = window.features + np.array([0.0, 0.0, 50.0])
    found = window_accuracy(reference, apart, window.p, margin=MARGIN)
    assert isinstance(found, CannotTell)
    assert found.columns == (2,)
    assert found.overlap.auc > 0.995
    ignoring = window_accuracy(reference, apart, window.p, margin=MARGIN, ignore=(2,))
    assert isinstance(ignoring, WindowAccuracy)


def test_a_column_that_went_missing_is_named(reference: Reference) -> None:
    window = rows(500, 5)
    window.features[:, 2] = np.nan
    found = window_accuracy(reference, window.features, window.p, margin=MARGIN)
    assert isinstance(found, CannotTell)
    assert found.columns == (2,)


def test_small_windows_have_wider_intervals_than_large_ones(reference: Reference) -> None:
    large, small = judged(reference, rows(2000, 6)), judged(reference, rows(100, 7))
    assert small.high - small.low > large.high - large.low
    assert small.accuracy - small.bound > large.accuracy - large.bound


def test_metrics_and_beliefs_are_those_of_the_distribution(reference: Reference) -> None:
    window = rows(300, 8)
    found = judged(reference, window)
    np.testing.assert_allclose(found.q.sum(axis=1), 1.0)
    assert found.metrics.accuracy == found.accuracy == pytest.approx(found.beliefs.mean())
    assert found.metrics.roc_auc is not None
    np.testing.assert_array_equal(found.beliefs, found.q[np.arange(300), window.p.argmax(axis=1)])


def test_a_calibration_of_ones_own_is_used(reference: Reference) -> None:
    window = rows(300, 9)
    found = window_accuracy(
        reference, window.features, window.p, margin=MARGIN, calibration=Calibration(0.0, 0.0, 0.0, 0.0)
    )
    assert isinstance(found, WindowAccuracy)
    assert found.low == found.high == found.bound == found.accuracy


def test_three_classes_are_judged_too() -> None:
    generator = np.random.default_rng(1)

    def three(count: int) -> Labelled:
        features = generator.normal(size=(count, 2))
        p = generator.dirichlet((4.0, 1.0, 1.0), size=count)
        drawn = (p.cumsum(axis=1) < generator.uniform(size=(count, 1))).sum(axis=1)
        return Labelled(features, p, drawn)

    fitted = fit_reference(three(1500), category_sizes=(0, 0), seed=1)
    window = three(1000)
    found = judged(fitted, window)
    assert found.accuracy == pytest.approx(window.right.mean(), abs=0.05)
    assert found.metrics.roc_auc is None
    assert len(found.metrics.classes) == 3


@pytest.mark.parametrize("count", [0, 5, 29])
def test_too_few_rows_are_refused(reference: Reference, count: int) -> None:
    few = rows(count, 1)
    with pytest.raises(InputError, match=f"{count} rows"):
        window_accuracy(reference, few.features, few.p, margin=MARGIN)
    with pytest.raises(InputError, match="reference"):
        fit_reference(few, category_sizes=SIZES, seed=1)


def test_labels_that_were_asked_for_teach_but_accuracy_falls_from_the_usual_rows() -> None:
    """Hardly a hard row in the usual reference; then labels of hard rows come."""
    usual, asked, window = rows(1500, 5, hard=0.01), rows(300, 6, hard=1.0), rows(1000, 7, hard=0.7)
    both = Labelled(*(np.concatenate(parts) for parts in zip(usual, asked, strict=True)))
    plain = fit_reference(usual, category_sizes=SIZES, seed=1)
    fitted = fit_reference(both, category_sizes=SIZES, seed=1, usual=1500)
    assert len(fitted.beliefs) == 1500
    before, after = judged(plain, window), judged(fitted, window)
    assert after.reference_accuracy == before.reference_accuracy == usual.right.mean()
    truth = window.right.mean()
    assert abs(after.accuracy - truth) < 0.5 * abs(before.accuracy - truth)
    assert after.harm.p_value < 0.01


def test_the_shipped_table_says_where_it_comes_from_and_leaves_each_data_set_out() -> None:
    table = shipped_table()
    assert table.provenance["command"] == "make bench-calibrate"
    assert len(table.left_out) == table.provenance["data_sets"] >= 5
    for calibration in (table.calibration, *table.left_out.values()):
        assert 0.0 < calibration.over <= calibration.both


def test_the_scale_grows_with_drop_and_with_lack_of_overlap() -> None:
    plain = Uncertainty(0.01, 0.0, 0.0, 0.4)
    assert plain.scale(0.1, 0.1) == pytest.approx(0.1)
    assert plain._replace(drop=-0.5).scale(0.1, 0.1) == plain._replace(drop=0.5).scale(0.1, 0.1) > 0.1
    assert plain._replace(auc=0.9).scale(0.1, 0.1) > 0.1


def test_a_null_that_was_kept_says_the_same_as_one_drawn_anew(reference: Reference) -> None:
    window = rows(200, 2)
    kept = reference.source.null(200)
    told = window_accuracy(reference, window.features, window.p, margin=MARGIN, null=kept)
    assert isinstance(told, WindowAccuracy)
    assert told.harm == judged(reference, window).harm
