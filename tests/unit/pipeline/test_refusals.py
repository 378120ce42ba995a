"""What is under way, since when, for how long, and what to do: all in the refusal."""

from __future__ import annotations

import pytest

from dissonance.contracts.policy import Policy
from dissonance.contracts.updates import RolloutPhase
from dissonance.errors import InputError
from dissonance.errors_of_updates import RolloutUnderWay, UpdateHeldUp
from dissonance.pipeline.refusals import (
    cools_off,
    judged_against_another,
    never_in_production,
    nothing_before,
    under_way,
    was_taken_back,
)
from support.updates import rollout_of

POLICY = Policy(canary_max_s=7_200, rollback_window_s=1_800)


@pytest.mark.parametrize(
    ("phase", "share", "state", "lasts", "end"),
    [
        (RolloutPhase.CANARY, 0.25, "a canary that answers 25% of requests", "2 hours", "or end it: "),
        (RolloutPhase.CANARY, 0.0, "in the shadow of production", "2 hours", "or end it: "),
        (RolloutPhase.ARMED, 0.25, "promoted and watched", "30 minutes", "or go back to version 1: "),
    ],
)
def test_what_is_under_way_is_named_with_its_state_its_time_and_its_ends(
    phase: RolloutPhase, share: float, state: str, lasts: str, end: str
) -> None:
    rollout = rollout_of("a" * 32, 2, phase, share=share, phase_at_us=3_600_000_000)
    refused = under_way("toy", rollout, POLICY)
    assert refused.title == "An update of this task is under way"
    assert refused.what == (
        f"version 2 of task toy is under way: {state} since 1970-01-01 01:00 UTC, for {lasts} at most "
        "(both of event time)"
    )
    assert f"{end}dissonance models rollback toy" in refused.fix
    assert "dissonance models updates toy" in refused.fix


def test_what_began_at_the_same_moment_is_to_be_looked_at() -> None:
    refused = under_way("toy", None, POLICY)
    assert isinstance(refused, RolloutUnderWay)
    assert "of task toy" in refused.what
    assert "dissonance models updates toy" in refused.fix


def test_how_long_a_task_cools_off_is_said_in_words() -> None:
    taken_back = rollout_of("a" * 32, 2, RolloutPhase.ROLLED_BACK, phase_at_us=3_600_000_000)
    refused = cools_off("toy", 3, taken_back, 5_400)
    assert refused.what == (
        "task toy cools off until 1970-01-01 02:30 UTC of event time, 1 hour 30 minutes after version 2 was rolled back"
    )
    assert refused.fix == "wait, or promote it by hand: dissonance models promote toy --version 3"


def test_the_first_version_says_so_and_how_to_name_another() -> None:
    refused = nothing_before("toy", 1)
    assert refused.title == "There is nothing to roll back to"
    assert (refused.what, refused.fix) == (
        "version 1 of task toy is the first: it replaced no other",
        "name one: --to N (dissonance models history toy lists them)",
    )


@pytest.mark.parametrize(
    ("refused", "title"),
    [
        (never_in_production("toy", 3), "The version never was in production"),
        (judged_against_another("toy", 3, 1, 2), "What the gate judged has changed since"),
        (was_taken_back("toy", rollout_of("a" * 32, 3, RolloutPhase.ROLLED_BACK)), "The version was taken back before"),
        (cools_off("toy", 3, rollout_of("a" * 32, 2, RolloutPhase.ROLLED_BACK), 60), "The task rests after a rollback"),
        (under_way("toy", None, POLICY), "An update of this task is under way"),
    ],
)
def test_what_no_rule_of_the_gate_refused_is_not_said_to_be_refused_by_it(refused: UpdateHeldUp, title: str) -> None:
    assert isinstance(refused, UpdateHeldUp)
    assert (refused.title, refused.status, refused.exit_code) == (title, 409, InputError.exit_code)
