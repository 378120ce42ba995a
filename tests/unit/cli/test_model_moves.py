"""`dissonance models`: what `retrain`, `promote`, `rollback`, `list` and `updates` print."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from dissonance.cli.model_moves import PromotedAnswer, promoted_answer, replica_lines, what_ended, what_serves
from dissonance.cli.models import model_line, models_table, retrained_answer, retrained_table, show_updates
from dissonance.contracts.standings import NAMELESS
from dissonance.contracts.updates import RolloutPhase
from dissonance.pipeline.aliases import list_models
from dissonance.pipeline.promoted import Promoted
from dissonance.pipeline.promotion import promote
from dissonance.pipeline.retrain import retrain
from dissonance.pipeline.taking_back import rollback
from dissonance.roles.gate.telling import updates_of
from support.printing import printed
from support.rollout_place import Place, new_place
from support.workshop import Workshop, small_task


@pytest.fixture
def work() -> Workshop:
    return small_task().work


@pytest.fixture
def place() -> Place:
    return new_place()


def back(place: Place, to: int | None = None) -> Promoted:
    return asyncio.run(rollback(place.work, "small", to, by="ann"))


def told(done: Promoted, *, named: bool = False) -> list[str]:
    return [what_serves(promoted_answer(done)), *what_ended(done, named=named)]


def test_retraining_promoting_and_rolling_back_are_told(work: Workshop) -> None:
    retrained = retrained_answer(asyncio.run(retrain(work, "small")))
    assert (retrained.version, retrained.incumbent_version, retrained.labels) == (2, 1, 0)
    assert f"{retrained.golden_after:.4f}" in printed(retrained_table(retrained))
    promoted = promoted_answer(asyncio.run(promote(work, "small", by="a test")))
    assert replica_lines(promoted)[0].startswith("No replica answered: no proposer runs")
    assert (promoted.version, promoted.previous_version, promoted.confirmed_ms) == (2, 1, None)
    golden = next(finding for finding in promoted.findings if finding.rule == "GoldenNonInferiority")
    assert golden.numbers["candidate_accuracy"] == retrained.golden_after
    back = promoted_answer(asyncio.run(rollback(work, "small", by="a test")))
    assert (back.version, back.findings, back.verdict) == (1, [], None)
    lines = [model_line(version) for version in asyncio.run(list_models(work, "small"))]
    assert [(line.role, line.version) for line in lines if line.in_production] == [("proposer", 1), ("critic", 1)]
    assert [(line.version, line.alias) for line in lines if line.in_production] == [(1, "production")] * 2
    text = printed(models_table("small", lines))
    assert lines[0].digest[:12] in text
    assert "production" in text


ANSWER = PromotedAnswer(
    task="small",
    version=1,
    critic_version=1,
    previous_version=2,
    phase="rolled_back",
    changed=True,
    verdict=None,
    findings=[],
    replicas=["host/1"],
    replicas_missing=["host/2"],
    confirmed_ms=10_000.0,
)


def test_who_answers_with_a_promoted_version_is_said_and_who_does_not_is_named() -> None:
    said = replica_lines(ANSWER)
    assert said[0] == "1 of 2 replicas answers with it, 10000 ms after it moved"
    assert "host/2" in said[1]
    assert replica_lines(msgspec.structs.replace(ANSWER, phase="canary")) == []
    hung = msgspec.structs.replace(ANSWER, replicas=[], replicas_missing=[NAMELESS])
    assert replica_lines(hung)[0].startswith("NOT CONFIRMED: a proposer listens and answered nothing")
    nobody = msgspec.structs.replace(ANSWER, replicas=[], replicas_missing=[], confirmed_ms=None)
    assert replica_lines(nobody)[0].startswith("No replica answered: no proposer runs that the broker knows of")


def test_where_nothing_moved_no_time_since_is_told() -> None:
    still = msgspec.structs.replace(ANSWER, previous_version=1, replicas_missing=[])
    assert replica_lines(still) == ["1 of 1 replica answers with it"]


def test_who_ends_a_canary_is_told_so_and_who_comes_later_that_it_had_ended(place: Place) -> None:
    place.begin()
    first, again = back(place), back(place)
    assert told(first) == ["Version 1 stays in production, with critic 1", "Version 2, a canary, is ended by this"]
    assert told(again) == [
        "Version 1 was in production already, with critic 1",
        "Version 2, a canary, had ended before (ann: rolled back by command)",
        "To go further back, name a version of `dissonance models list small`: --to VERSION",
    ]
    answers = [promoted_answer(each) for each in (first, again)]
    assert [(each.phase, each.changed, each.confirmed_ms) for each in answers] == [
        ("abandoned", True, None),
        ("abandoned", False, None),
    ]


def test_who_takes_a_version_back_again_is_told_that_it_was_before(place: Place) -> None:
    place.begin(at_once=True)
    first, again = back(place), back(place, 1)
    assert told(first) == ["In production: version 1 (before: version 2), critic 1"]
    assert (first.phase, first.changed) == (RolloutPhase.ROLLED_BACK, True)
    assert told(again, named=True) == [
        "Version 1 was in production already, with critic 1",
        "Version 2 was taken back before (ann: rolled back by command)",
    ]


def test_what_no_rollout_put_there_has_settled(place: Place) -> None:
    done = back(place, 1)
    assert (done.phase, done.changed, told(done, named=True)[1:]) == (RolloutPhase.SETTLED, False, [])


def test_phases_of_updates_are_told_in_words(place: Place) -> None:
    place.begin(at_once=True)
    back(place)
    reply = asyncio.run(updates_of(place.work.store, place.task.task_id, "small"))
    text = printed(lambda console: show_updates(console, reply))
    assert "rollout of version 2 after 1: rolled back since" in text
