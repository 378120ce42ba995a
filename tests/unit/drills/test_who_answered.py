"""What is told of a prediction is held against what its client saw."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from dissonance.contracts.events import CANARY_ARM, PRODUCTION_ARM
from dissonance.drills.records import Outcome
from dissonance.drills.who_answered.account import Account, Canary, Reply, Told, account_of, possible_arms
from dissonance.drills.who_answered.record import record_of
from dissonance.drills.who_answered.story import Way, ways

CANARY = Canary(2, 1, begun_s=10.0, sure_until_s=20.0, over_s=30.0)
SEEN = Reply("a", 2, "22", 0.25, sent_s=15.0, got_s=15.1, label=0)
TOLD = Told(
    prediction_id="a", version=2, model_digest="22", arm=CANARY_ARM, critic_version=5, shadow_version=1, doubt=0.25
)
CRITICS = {1: 4, 2: 5}


def account(reply: Reply = SEEN, told: Told = TOLD) -> Account:
    return account_of([reply], [told], [CANARY], CRITICS)


@pytest.mark.parametrize(
    ("reply", "arms"),
    [
        (SEEN, {CANARY_ARM}),
        (SEEN._replace(version=1), {PRODUCTION_ARM}),
        (SEEN._replace(sent_s=19.9, got_s=20.1), {CANARY_ARM, PRODUCTION_ARM}),
        (SEEN._replace(sent_s=29.0, got_s=30.1), {CANARY_ARM, PRODUCTION_ARM}),
        (SEEN._replace(sent_s=30.1, got_s=30.2), {PRODUCTION_ARM}),
    ],
)
def test_which_arm_it_can_have_been_is_known_but_while_replicas_follow(reply: Reply, arms: set[str]) -> None:
    assert possible_arms(reply, [CANARY]) == arms


def test_what_is_told_as_it_was_is_not_wrong() -> None:
    found = account()
    assert (found.wrong, found.doubts, found.sure_arms) == (Counter(), 1, 1)
    assert found.answers == Counter({(2, CANARY_ARM): 1})


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"version": 1}, "version"),
        ({"version": None}, "version"),
        ({"model_digest": "11"}, "digest"),
        ({"arm": PRODUCTION_ARM}, "arm"),
        ({"critic_version": 4}, "critic"),
        ({"critic_version": None}, "critic"),
        ({"doubt": 0.26}, "doubt"),
        ({"shadow_version": None}, "shadow"),
        ({"prediction_id": "b"}, "not_told"),
    ],
)
def test_each_thing_that_is_told_otherwise_is_counted_and_fails_the_record(
    changed: dict[str, object], wrong: str
) -> None:
    found = account(told=msgspec.structs.replace(TOLD, **changed))
    assert found.wrong == Counter({wrong: 1})
    record = record_of(found, 3, 40.0, 150)
    assert record.verdict is Outcome.FAIL
    assert any(reason.startswith(("wrong_" + wrong, wrong)) for reason in record.reasons)


def test_every_version_and_a_canary_in_two_of_three_pass() -> None:
    told = [
        msgspec.structs.replace(TOLD, prediction_id=f"{version} {arm}", version=version, arm=arm)
        for version, arm in [(1, PRODUCTION_ARM), (2, CANARY_ARM), (2, PRODUCTION_ARM), (3, CANARY_ARM)]
    ]
    record = record_of(account_of([], told, [CANARY], CRITICS), 3, 40.0, 150)
    assert record.verdict is Outcome.PASS, record.reasons
    assert record.raw["by_version"] == [1, 2, 2, 3]


def test_versions_come_by_canary_and_at_once_and_the_last_is_taken_back() -> None:
    assert ways(6) == [Way.CANARY, Way.AT_ONCE, Way.CANARY, Way.AT_ONCE, Way.TAKEN_BACK]
