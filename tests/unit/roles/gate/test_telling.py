"""Rollouts are told with the time of the clock at which their phase was decided, beside event time."""

from __future__ import annotations

import asyncio

import msgspec

from dissonance.cli.models import phase_times
from dissonance.contracts.times import to_text
from dissonance.contracts.update_api import RolloutReply
from dissonance.roles.gate.telling import updates_of
from support.rollout_place import Place, new_place

DAY_S = 86_400.0


def told(place: Place) -> RolloutReply:
    return asyncio.run(updates_of(place.work.store, place.task.task_id, place.task.name)).rollouts[0]


def test_a_phase_is_told_by_the_clock_at_which_it_was_decided_though_its_rows_are_older() -> None:
    place = new_place()
    place.begin()
    begun_at = to_text(place.work.clock.now_us())
    place.paired(30, 1, (True, False))
    place.work.clock.advance(DAY_S)
    assert told(place).decided_at == begun_at
    armed_at = to_text(place.work.clock.now_us())
    place.advance()
    rollout = told(place)
    assert (rollout.phase, rollout.decided_at) == ("armed", armed_at)
    assert rollout.phase_at < rollout.decided_at
    said = phase_times(rollout)
    assert said.startswith(rollout.decided_at[:10])
    assert f"(event time {rollout.phase_at[:10]}" in said


def test_one_from_before_decisions_were_kept_says_that_its_time_is_event_time() -> None:
    place = new_place()
    place.begin()
    rollout = msgspec.structs.replace(told(place), decided_at="")
    assert phase_times(rollout).startswith("event time ")
