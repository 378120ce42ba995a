"""The first harm after the stretch began is what was noticed; what was said before it is not."""

from __future__ import annotations

from dissonance.contracts.topics import EventKind
from dissonance.drills.demo.compare import Compared
from dissonance.drills.demo.follow import Happening
from dissonance.drills.demo.result import Notice
from dissonance.drills.demo.story import FALL
from dissonance.drills.demo.summing_up import notice
from dissonance.science.proportions import Interval
from support.demo import compared, demo_result, happenings


def harm(at_us: int, labels: float) -> Happening:
    numbers = {"labels_of_window": labels, "estimated_accuracy": 0.73, "reference_accuracy": 0.79}
    return Happening(0.0, at_us, EventKind.HARM_ESTIMATED.value, None, "harm", numbers)


def test_harm_is_noticed_at_its_first_event_in_the_stretch() -> None:
    said = [harm(FALL.start_us - 1, 9.0), harm(FALL.start_us + 5, 0.0), harm(FALL.start_us + 9, 4.0)]
    assert notice(said) == Notice(FALL.start_us, FALL.start_us + 5, 0, 0.73, 0.79)
    assert notice(said[:1]) is None


def test_a_run_shows_what_it_is_for_only_when_every_part_of_it_came_true() -> None:
    assert demo_result().shown
    assert not demo_result(harm=False).shown
    assert not demo_result(told=happenings()[:3]).shown
    stretch, back = compared()
    worse = Compared(back.name, back.rows, back.managed, back.frozen, Interval(-0.1, -0.2, -0.05))
    assert not demo_result(lines=[stretch, worse]).shown
