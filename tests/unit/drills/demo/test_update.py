"""The one update of the demo, on a played system."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dissonance.contracts.api import ModelsReply, WindowsReply
from dissonance.drills.demo.progress import Progress
from dissonance.drills.demo.result import Update
from dissonance.drills.demo.story import STREAM
from dissonance.drills.demo.stream import Pace
from dissonance.drills.demo.update import SLOW_DOWN, Place, update_once, windows_of
from dissonance.errors import GateRefused, TimedOut
from support.demo import window

ACCURACIES = [0.8] * 12 + [0.65] * 5
RETRAINED = {"version": 2, "incumbent_version": 1, "labels": 900, "golden_before": 0.79, "golden_after": 0.8}


class PlayedSystem:
    """Shows one window more at every look; swaps the model some looks after it was promoted."""

    def __init__(self, *, looks_until_swap: int = 3, refused: bool = False) -> None:
        self.commands: list[tuple[str, ...]] = []
        self.rates: list[float] = []
        self.pace = Pace(400.0, lambda: 0.0)
        self._shown = 10
        self._left = looks_until_swap
        self._refused = refused

    async def command(self, *arguments: str) -> Any:
        self.commands.append(arguments)
        self.rates.append(self.pace.rows_per_s)
        if arguments[1] == "promote" and self._refused:
            raise GateRefused("worse", where="golden", fix="look")
        return RETRAINED

    async def models(self, task: str) -> ModelsReply:
        self._left -= 1
        return ModelsReply(task, 2 if self._left < 0 else 1, [])

    async def windows(self, task: str) -> WindowsReply:
        self._shown += 1
        shown = [window(number, accuracy) for number, accuracy in enumerate(ACCURACIES[: self._shown])]
        return WindowsReply(task, [window(-1, None), *reversed(shown), window(38, None)])


async def no_sleep(seconds: float) -> None:
    await asyncio.sleep(0)


def updated(system: PlayedSystem, progress: Progress) -> Update:
    place = Place(system, system, system, "task")
    return asyncio.run(update_once(place, progress, system.pace, STREAM, no_sleep))


def test_update_is_asked_for_after_three_fallen_windows_and_told_when_the_new_version_answers() -> None:
    system, progress = PlayedSystem(), Progress(lambda: 0.0, 0)
    progress.event_time_us, progress.labels_sent = STREAM.start_us + 5, 1_000
    update = updated(system, progress)
    assert system.commands == [("models", "retrain", "task"), ("models", "promote", "task", "--version", "2")]
    assert (update.old_version, update.new_version, update.labels_available, update.labels_used) == (1, 2, 1_000, 900)
    assert (round(update.reference, 2), round(update.recent, 2)) == (0.8, 0.65)
    assert (progress.model_version, progress.promoted_at_us) == (2, STREAM.start_us + 5)


def test_traffic_is_slowed_down_while_the_model_is_made_and_only_then() -> None:
    system = PlayedSystem()
    updated(system, Progress(lambda: 0.0, 0))
    assert system.rates == [400.0 / SLOW_DOWN] * 2
    assert system.pace.rows_per_s == 400.0


def test_refusal_of_the_gate_is_passed_on_and_the_pace_restored() -> None:
    system = PlayedSystem(refused=True)
    with pytest.raises(GateRefused):
        updated(system, Progress(lambda: 0.0, 0))
    assert system.pace.rows_per_s == 400.0


def test_promoted_version_that_never_answers_is_told() -> None:
    with pytest.raises(TimedOut, match="version 2"):
        updated(PlayedSystem(looks_until_swap=10**6), Progress(lambda: 0.0, 0))


def test_windows_are_those_of_the_stream_in_order_of_event_time() -> None:
    listed = asyncio.run(windows_of(PlayedSystem(), "task", STREAM))
    assert [each.window_id for each in listed] == [f"w{number}" for number in range(11)]
