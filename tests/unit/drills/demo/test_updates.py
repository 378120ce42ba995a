"""What became of every update is told of all of them, not of the one in the story alone."""

from __future__ import annotations

import msgspec

from dissonance.contracts.events import UpdateJudged
from dissonance.contracts.updates import RolloutPhase
from dissonance.contracts.verdicts import RuleFinding, UpdateVerdict
from dissonance.drills.demo.updates import Update, canaries_words, refused_words, updates_of
from support.updates import judged_update, rollout_of


def refused(version: int, what: str, verdict: UpdateVerdict = UpdateVerdict.REFUSED) -> UpdateJudged:
    findings = (RuleFinding("A", True, {}, "fine"), RuleFinding("B", False, {}, what))
    return msgspec.structs.replace(judged_update("task", version), verdict=verdict, findings=findings)


def test_every_version_has_what_the_gate_held_against_it_and_the_phase_of_its_latest_rollout() -> None:
    judged = [
        refused(4, "accuracy 0.5", UpdateVerdict.OVERRIDDEN),
        refused(4, "accuracy 0.5"),
        refused(3, "log loss 0.6"),
        judged_update("task", 2),
    ]
    rollouts = [
        rollout_of("task", 4, RolloutPhase.ROLLED_BACK, reason="worse"),
        rollout_of("task", 2, RolloutPhase.SETTLED, reason="watched long enough"),
        rollout_of("task", 2, RolloutPhase.ABANDONED, reason="an earlier one"),
    ]

    assert updates_of(judged, rollouts) == [
        Update(2, phase="settled", reason="watched long enough"),
        Update(3, refused="log loss 0.6"),
        Update(4, "accuracy 0.5", "rolled_back", "worse"),
    ]


def test_of_many_rules_that_do_not_hold_the_first_is_told_and_how_many_more_there_are() -> None:
    judged = refused(3, "log loss 0.6")
    worse = msgspec.structs.replace(judged, findings=(*judged.findings, *judged.findings))

    assert updates_of([worse], []) == [Update(3, refused="log loss 0.6; 1 more")]


def test_canaries_without_an_end_are_told_apart_from_those_that_ended_without_going_live() -> None:
    told = canaries_words([Update(4, phase="abandoned"), Update(5, phase="armed"), Update(6, phase="canary")])

    assert told == (
        "1 ended without going live: version 4; version 5 is live and still watched; "
        "version 6 still answers a share of the rows"
    )
    assert canaries_words([]) == "none ended without going live"


def test_nothing_that_was_refused_is_none() -> None:
    assert refused_words([Update(2)], 4) == "none"
