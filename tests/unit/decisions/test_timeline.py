"""Which version answered when, folded from decisions."""

from __future__ import annotations

from typing import Any

from dissonance.contracts.evidence import DecisionKind
from dissonance.contracts.policy import Policy
from dissonance.decisions.evidence.bundle import Bundle, ModelEvidence
from dissonance.decisions.timeline import InForce, in_force, until, until_event_time
from support.evidence import bundle_of, judged_bundle
from support.judged_numbers import numbers


def decided(kind: DecisionKind, version: int, production: int, at_us: int, **changes: Any) -> Bundle:
    candidate = ModelEvidence(version=version, digest=f"{version:064x}")
    times = {"decided_at_us": at_us, "event_time_us": at_us - 5}
    return bundle_of(kind, candidate=candidate, production=production, **{**times, **changes})


STORY = [
    decided(DecisionKind.PROMOTED, 1, 1, 10, incumbent=None, event_time_us=10),
    judged_bundle(numbers(), Policy(), decided_at_us=15),
    decided(DecisionKind.CANARY, 2, 1, 20, policy=Policy(canary_share=0.25)),
    decided(DecisionKind.PROMOTED, 2, 2, 30),
    decided(DecisionKind.SETTLED, 2, 2, 40),
    decided(DecisionKind.CANARY, 3, 2, 50, policy=Policy(canary_share=0.5)),
    decided(DecisionKind.ABANDONED, 3, 2, 60),
    decided(DecisionKind.PROMOTED, 4, 4, 70),
    decided(DecisionKind.ROLLED_BACK, 4, 2, 80),
]
STATES = [
    (9, InForce(None)),
    (10, InForce(1)),
    (19, InForce(1)),
    (20, InForce(1, 2, 0.25)),
    (30, InForce(2)),
    (45, InForce(2)),
    (50, InForce(2, 3, 0.5)),
    (60, InForce(2)),
    (75, InForce(4)),
    (80, InForce(2)),
]


def test_each_decision_changes_who_answers_from_its_time_on() -> None:
    assert [in_force(until(STORY, at_us)) for at_us, _ in STATES] == [state for _, state in STATES]


def test_by_event_time_it_changes_from_where_event_time_had_come_to() -> None:
    after_the_first = [(at_us - 5, state) for at_us, state in STATES if at_us > 10]
    assert [in_force(until_event_time(STORY, at_us)) for at_us, _ in after_the_first] == [
        state for _, state in after_the_first
    ]


def test_the_first_version_answers_events_from_before_it_was_made() -> None:
    assert in_force(until_event_time(STORY, -(10**15))) == InForce(1)
