"""The record of the drill: how long each way back took, what clients noticed, and the limits it is judged by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dissonance.adapters.clock import SystemClock
from dissonance.drills.records import AtLeast, AtMost, Equals, Limit, Raw, Record, make_record
from dissonance.drills.rollback.moves import AFTER_PROMOTION, CALL, COMMAND, Move
from dissonance.drills.rollback.run import Outcome
from dissonance.drills.rollback.scenarios import Found
from dissonance.drills.rollback.seen import all_settled_s

LEAST_ROLLBACKS = 300
MOST_P99_S = 1.0
MOST_FOUND_OUT_S = 30.0


def record_of(outcome: Outcome, rollbacks: int) -> Record:
    return make_record(
        name="rollback",
        what=f"{len(outcome.moves)} rollbacks between two real versions on two replicas at {outcome.rate:g} requests a "
        "second, until every replica answers with the old one; then three bad promotions that the system takes back",
        command=f"dissonance drill rollback --rollbacks {rollbacks} --rate {outcome.rate:g}",
        now_us=SystemClock().now_us(),
        raw=raw_of(outcome),
        limits=_limits(outcome),
    )


def _limits(outcome: Outcome) -> list[Limit]:
    return [
        AtLeast("rollbacks", LEAST_ROLLBACKS),
        AtMost("call_seen_p99_s", MOST_P99_S),
        AtMost("call_confirmed_p99_s", MOST_P99_S),
        AtMost("after_promotion_seen_p99_s", MOST_P99_S),
        Equals("not_seen", 0),
        Equals("not_confirmed", 0),
        Equals("failed", 0),
        *(AtMost(f"{each.name}_taken_back_s", MOST_FOUND_OUT_S) for each in outcome.found),
    ]


def raw_of(outcome: Outcome) -> dict[str, Raw]:
    answers = [answer for asked in outcome.asked.values() for answer in asked.answers]
    latencies = [answer.latency_s for answer in answers]
    raw: dict[str, Raw] = {
        "rollbacks": len(outcome.moves),
        "replicas": len(outcome.asked),
        "requests": len(answers),
        "failed": sum(not answer.ok for answer in answers),
        "retried": sum(answer.attempts > 1 for answer in answers),
        "latest_request_s": max((answer.late_s for answer in answers), default=None),
        "latency_p50_s": _quantile(latencies, 0.5),
        "latency_p99_s": _quantile(latencies, 0.99),
        "latency_max_s": max(latencies, default=None),
        "not_confirmed": sum(move.missing > 0 or move.confirmed < len(outcome.asked) for move in outcome.moves),
        "not_seen": sum(seen_s(outcome, move) is None for move in outcome.moves),
    }
    for how in (CALL, AFTER_PROMOTION, COMMAND):
        raw |= _of(outcome, how, [move for move in outcome.moves if move.how == how])
    for found in outcome.found:
        raw |= _found(outcome, found)
    return raw


def seen_s(outcome: Outcome, move: Move) -> float | None:
    """From the command until the last replica was seen to answer with the version, and with no other after it."""
    replicas = [asked.seen for asked in outcome.asked.values()]
    settled = all_settled_s(replicas, move.version, move.begun_s, move.until_s)
    return None if settled is None else settled - move.begun_s


def _of(outcome: Outcome, how: str, moves: Sequence[Move]) -> dict[str, Raw]:
    seen = [each for move in moves if (each := seen_s(outcome, move)) is not None]
    told: dict[str, Raw] = {f"{how}_rollbacks": len(moves)}
    for name, values in (("seen", seen), ("confirmed", [move.took_s for move in moves])):
        told |= {
            f"{how}_{name}_p50_s": _quantile(values, 0.5),
            f"{how}_{name}_p99_s": _quantile(values, 0.99),
            f"{how}_{name}_max_s": max(values, default=None),
            f"{how}_{name}_each_s": [round(value, 4) for value in values],
        }
    return told


def _found(outcome: Outcome, found: Found) -> dict[str, Raw]:
    """`taken_back_s`: from the promotion, which is before the first bad window, to the incident, which is told when
    every replica was asked; `answers`: how many the bad model gave in between."""
    bad = [seen.at_s for asked in outcome.asked.values() for seen in asked.seen if seen.version == found.version]
    return {
        f"{found.name}_taken_back_s": found.incident_s - found.moved_s,
        f"{found.name}_from_first_window_s": None if found.window_s is None else found.incident_s - found.window_s,
        f"{found.name}_answers": len(bad),
        f"{found.name}_last_answer_s": max(bad) - found.moved_s if bad else None,
        f"{found.name}_replicas_missing": found.missing,
        f"{found.name}_why": found.reason,
    }


def _quantile(values: Sequence[float], share: float) -> float | None:
    return float(np.quantile(values, share, method="higher")) if values else None
