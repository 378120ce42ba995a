from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.contracts.policy import Policy
from dissonance.ports.store import WindowFigures
from dissonance.roles.evaluator.decide import Range, evaluated, is_closed, touched

POLICY = Policy(window_s=10, window_watermark_s=2)


@given(st.lists(st.integers(-(10**15), 10**16), min_size=1))
def test_every_time_lies_in_exactly_one_touched_window(times_us: list[int]) -> None:
    windows = touched(times_us, POLICY)
    assert windows == sorted(set(windows))
    for time_us in times_us:
        assert sum(window.start_us <= time_us < window.end_us for window in windows) == 1


def test_window_closes_when_the_watermark_passes_its_end() -> None:
    window = Range(0, 10_000_000)
    assert not is_closed(window, 11_999_999, POLICY)
    assert is_closed(window, 12_000_000, POLICY)


def test_realised_accuracy_is_unknown_without_labels() -> None:
    figures = WindowFigures(rows=4, labelled=0, right=0, sum_confidence=3.0, sum_dissonance=0.4, over_target=1)
    window = evaluated("t", "w", Range(0, 1), figures, closed=False)
    assert window.realised_accuracy is None
    assert window.estimated_accuracy == 0.75
    assert window.mean_doubt == 0.25
    assert window.mean_dissonance == pytest.approx(0.1)
    assert window.share_over_target == 0.25


def test_realised_accuracy_is_the_share_right_among_the_labelled() -> None:
    figures = WindowFigures(rows=4, labelled=2, right=1, sum_confidence=3.0, sum_dissonance=0.4, over_target=1)
    assert evaluated("t", "w", Range(0, 1), figures, closed=True).realised_accuracy == 0.5
