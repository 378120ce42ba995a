"""What the drill makes of what it saw: the slowest replica counts, and what was not seen is not taken for fast."""

from __future__ import annotations

import pytest

from dissonance.drills.faults.load import Answer
from dissonance.drills.records import Outcome as Verdict
from dissonance.drills.rollback.bad_models import STUMP
from dissonance.drills.rollback.moves import AFTER_PROMOTION, CALL, COMMAND, Move
from dissonance.drills.rollback.picture import picture
from dissonance.drills.rollback.record import record_of, seen_s
from dissonance.drills.rollback.run import Asked, Outcome
from dissonance.drills.rollback.scenarios import Found
from dissonance.drills.rollback.seen import Seen, settled_s
from dissonance.science.proposer import LightGBMProposer, fit_lightgbm
from dissonance.science.tree_text import joined, parts
from support.distributions import labelled_rows

OK, FAILED = Answer(0.0, 0.01, 200, 1), Answer(0.0, 0.01, 503, 2)


def move(begun_s: float, how: str = CALL, missing: int = 0) -> Move:
    return Move(how, 1, begun_s, 0.3, begun_s + 1.0, 2 - missing, missing)


def outcome(moves: list[Move], slow: float = 0.2, answers: tuple[Answer, ...] = (OK,)) -> Outcome:
    """Two replicas; after each move the one follows at once, the other after `slow` seconds."""
    quick = [Seen(each.begun_s + 0.05, 1) for each in moves]
    late = [seen for each in moves for seen in (Seen(each.begun_s + 0.1, 2), Seen(each.begun_s + slow, 1))]
    found = [Found(name, 3, 1, 1_000.0, 1_001.0, 1_004.0, "taken back", 0) for name in ("wrong", "slow", "failing")]
    asked = {"one": Asked(list(answers), quick), "two": Asked([OK], sorted(late))}
    return Outcome(100.0, moves, found, asked)


def many() -> list[Move]:
    kinds = [CALL] * 300 + [AFTER_PROMOTION] * 10 + [COMMAND] * 10
    return [move(float(number), how) for number, how in enumerate(kinds)]


def test_the_replica_that_follows_last_is_the_measure() -> None:
    moves = [move(10.0)]
    assert seen_s(outcome(moves), moves[0]) == pytest.approx(0.2)


def test_a_replica_that_was_not_seen_to_follow_before_the_next_move_is_not_seen() -> None:
    moves = [move(10.0)]
    assert seen_s(outcome(moves, slow=1.5), moves[0]) is None
    assert settled_s([Seen(10.1, 1), Seen(10.2, 2)], 1, 10.0, 11.0) is None


def test_quick_rollbacks_without_a_failed_request_pass_and_are_drawn() -> None:
    record = record_of(outcome(many()), 320)
    assert (record.verdict, record.reasons) == (Verdict.PASS, [])
    assert record.raw["call_seen_p99_s"] == pytest.approx(0.2)
    assert record.raw["wrong_taken_back_s"] == pytest.approx(4.0)
    assert picture(record).count("<svg") == 1


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (outcome(many(), slow=1.5), "not_seen"),
        (outcome(many(), answers=(OK, FAILED)), "failed"),
        (outcome([*many(), move(990.0, missing=1)]), "not_confirmed"),
        (outcome(many()[:200]), "rollbacks"),
    ],
)
def test_what_is_slow_or_fails_or_is_too_little_does_not_pass(changed: Outcome, why: str) -> None:
    record = record_of(changed, 320)
    assert record.verdict is Verdict.FAIL
    assert any(reason.startswith(f"{why} ") for reason in record.reasons)


def test_trees_that_add_nothing_change_no_answer() -> None:
    features, classes = labelled_rows(300, 1)
    proposer = fit_lightgbm(features, classes, category_sizes=(0, 0, 4), classes_count=2, seed=1, threads=1, rounds=3)
    header, trees = parts(proposer.text)
    slow = LightGBMProposer.from_text(joined(header, [*trees, STUMP, STUMP]), 2)
    assert (slow.probabilities(features) == proposer.probabilities(features)).all()
