"""When the demo asks for an update."""

from __future__ import annotations

import msgspec

from dissonance.drills.demo.trigger import fallen, is_mature
from support.demo import window

STEADY = [0.81, 0.80, 0.82, 0.81, 0.80, 0.81, 0.79, 0.82, 0.81, 0.80]


def test_fall_is_found_when_three_mature_windows_lie_clearly_below_the_first_year() -> None:
    windows = [window(number, accuracy) for number, accuracy in enumerate([*STEADY, 0.80, 0.67, 0.66, 0.65])]
    fall = fallen(windows)
    assert fall is not None
    assert round(fall.reference, 3) == 0.807
    assert round(fall.recent, 2) == 0.66
    assert (fall.reference_rows, fall.recent_rows, fall.last_window_id) == (10_000, 3_000, "w13")


def test_nothing_is_found_while_accuracy_stands_still() -> None:
    assert fallen([window(number, accuracy) for number, accuracy in enumerate(STEADY * 3)]) is None


def test_nothing_is_found_when_one_of_the_three_windows_is_as_good_as_before() -> None:
    windows = [window(number, accuracy) for number, accuracy in enumerate([*STEADY, 0.66, 0.80, 0.66])]
    assert fallen(windows) is None


def test_nothing_is_found_when_so_few_rows_could_fall_that_far_by_chance() -> None:
    accuracies = [*STEADY, 0.74, 0.74, 0.74]
    assert fallen([window(number, accuracy) for number, accuracy in enumerate(accuracies)]) is not None
    assert fallen([window(number, accuracy, rows=50) for number, accuracy in enumerate(accuracies)]) is None


def test_windows_that_wait_for_labels_or_are_open_are_not_looked_at() -> None:
    falling = [window(number, accuracy) for number, accuracy in enumerate([*STEADY, 0.66, 0.66])]
    waiting = window(12, 0.66, labelled=900)
    opened = msgspec.structs.replace(window(12, 0.66), closed=False)
    assert not is_mature(waiting) and not is_mature(opened) and not is_mature(window(12, None))
    assert fallen([*falling, waiting]) is None
    assert fallen([*falling, opened]) is None
    assert fallen([*falling, window(12, 0.66)]) is not None


def test_nothing_is_found_before_there_is_a_reference() -> None:
    assert fallen([]) is None
    assert fallen([window(number, 0.5) for number in range(12)]) is None
