"""The verdict on a campaign: each promise broken alone fails the record; and its picture."""

from __future__ import annotations

from typing import Any

import pytest

from dissonance.drills.faults.account import Account
from dissonance.drills.faults.campaign import Course, Skipped, Span
from dissonance.drills.faults.load import Answer
from dissonance.drills.faults.picture import picture, rows
from dissonance.drills.faults.record import figures_of, record_of
from dissonance.drills.faults.run import Options, Outcome
from dissonance.drills.records import Outcome as Verdict
from dissonance.drills.records import Record

RATE = 1_000.0
REQUESTS = 110_000
OPTIONS = Options(RATE, 4.0, REQUESTS)
GOOD = Answer(0.0, 0.01, 200, 1, "x", 1)
SPANS = [
    Span("kill gate", 10.0, 10.0, 14.0, 16.0, False, ""),
    Span("rolling-restart roles", 20.0, 50.0, 50.0, 52.0, False, ""),
    Span("model-swap proposer", 55.0, 60.0, 60.0, 62.0, False, ""),
    Span("idle-connections proposer-1", 65.0, 70.0, 70.0, 72.0, False, ""),
    Span("corrupt-model candidate", 75.0, 80.0, 80.0, 82.0, False, ""),
    Span("flood proposers", 85.0, 90.0, 90.0, 92.0, False, ""),
]
KEPT = Account(REQUESTS, REQUESTS, [], [], 0, 0)


def outcome(
    changed: dict[int, Answer] | None = None,
    spans: list[Span] | None = None,
    account: Account = KEPT,
    dead_lettered: int = 0,
) -> Outcome:
    answers: list[Answer | None] = [GOOD] * REQUESTS
    for number, answer in (changed or {}).items():
        answers[number] = answer
    course = Course(spans or SPANS, [Skipped("clock-skew gate", "no library")], 1_000)
    return Outcome(course, answers, account, dead_lettered, 9, {"broker": "tmpfs"}, {"flood_sent": 3})


def judged(found: Outcome, whole: bool = True) -> Record:
    return record_of(found, OPTIONS, "dissonance drill faults", whole=whole)


def failing(*numbers: int) -> dict[int, Answer]:
    return dict.fromkeys(numbers, Answer(0.0, 0.01, 503, 2))


def test_campaign_without_harm_passes() -> None:
    record = judged(outcome())

    assert record.verdict is Verdict.PASS, record.reasons
    assert record.raw["availability"] == 1.0
    assert record.raw["requests"] == REQUESTS - 1_000
    assert record.raw["faults_skipped"] == ["clock-skew gate"]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (outcome(account=KEPT._replace(lost=[12_000])), "lost is 1"),
        (outcome(account=KEPT._replace(doubled=[12_000])), "doubled is 1"),
        (outcome(account=KEPT._replace(invented=1)), "invented is 1"),
        (outcome(dead_lettered=1), "dead_lettered is 1"),
        (outcome(failing(*range(12_000, 12_200))), "availability is"),
        (outcome(failing(30_000)), "rolling_restart_failed is 1"),
        (outcome(failing(56_000)), "model_swap_failed is 1"),
        (outcome(dict.fromkeys(range(66_000, 69_000), GOOD._replace(latency_s=0.03))), "idle_connections_p99_ratio"),
        (outcome(dict.fromkeys(range(86_000, 89_000), GOOD._replace(latency_s=0.03))), "flood_p99_ratio"),
        (outcome({76_000: GOOD._replace(version=2)}), "answered_by_corrupt_model is 1"),
        (outcome(dict.fromkeys(range(12_000, 14_000), GOOD._replace(late_s=0.2))), "late_p99_s"),
        (outcome(spans=[SPANS[0]._replace(recovered_s=41.0), *SPANS[1:]]), "slowest_recovery_s is 31"),
        (outcome(spans=[SPANS[0]._replace(recovered_s=None, by_hand=True), *SPANS[1:]]), "by_hand is 1"),
        (outcome(spans=[SPANS[0]._replace(problem="it said no"), *SPANS[1:]]), "not_done is 1"),
    ],
)
def test_each_broken_promise_fails_the_record(broken: Outcome, reason: str) -> None:
    record = judged(broken)

    assert record.verdict is Verdict.FAIL
    assert [each for each in record.reasons if each.startswith(reason)] == record.reasons


def test_part_of_a_campaign_has_no_limit_on_availability() -> None:
    record = judged(outcome(failing(*range(12_000, 12_200))), whole=False)

    assert record.verdict is Verdict.PASS, record.reasons
    assert record.name == "faults-part"


def test_failures_and_losses_are_those_of_the_fault_they_fell_into() -> None:
    account = KEPT._replace(lost=[12_000, 19_000], doubled=[56_000])
    figures = figures_of(outcome({**failing(12_000), 12_001: GOOD._replace(attempts=2)}, account=account), RATE)

    assert [(each.failed, each.retried, each.lost, each.doubled) for each in figures] == [
        (1, 2, 2, 0),
        (0, 0, 0, 0),
        (0, 0, 0, 1),
        (0, 0, 0, 0),
        (0, 0, 0, 0),
        (0, 0, 0, 0),
    ]


def test_failures_are_counted_by_what_the_client_met() -> None:
    raw = judged(outcome({12_000: Answer(0.0, 0.1, 503, 2), 12_001: Answer(0.0, 0.1, -1, 2)})).raw

    assert (raw["failed_503"], raw["failed_timed_out"], raw["failed"]) == (1, 1, 2)


def test_page_has_a_line_a_fault_and_what_failed() -> None:
    record = judged(outcome(spans=[SPANS[0]._replace(recovered_s=None, by_hand=True), *SPANS[1:]]))
    document = picture(record)

    table: list[Any] = rows(record.raw)
    assert [row[0] for row in table] == [span.name for span in SPANS]
    assert table[0][7] == "—"
    assert all(span.name in document for span in SPANS)
    assert "by_hand is 1; it must be exactly 0" in document
    assert document.count("<svg") == 1
