"""The record of a campaign: what each fault did, the whole in figures, and the limits that it is judged by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dissonance.adapters.clock import SystemClock
from dissonance.drills.faults.campaign import BEFORE_S, LIMIT_S, Span, arrays
from dissonance.drills.faults.changes import ROLLING, SWAP
from dissonance.drills.faults.hostile import FLOOD, IDLE
from dissonance.drills.faults.load import NO_ANSWER, NOT_AN_ANSWER, TIMED_OUT, Answer
from dissonance.drills.faults.measure import Answers, Latencies, latencies
from dissonance.drills.faults.run import Options, Outcome
from dissonance.drills.faults.storage import CORRUPT
from dissonance.drills.faults.traffic import PEOPLE, STRANGER_EVERY
from dissonance.drills.records import AtLeast, AtMost, Equals, Limit, Raw, Record, make_record

NAME = "faults"
LEAST_REQUESTS = 100_000
LEAST_AVAILABILITY = 0.999
MOST_HOSTILE_RATIO = 2.0
"""Of the p99 of everybody else, while some clients are hostile, to what it was before."""

MOST_LATE_S = 0.05
"""The p99 of how late requests left: above, the load was not the one that is spoken of."""

WORDS = {NO_ANSWER: "no_answer", TIMED_OUT: "timed_out", NOT_AN_ANSWER: "not_an_answer"}


class FaultFigures(NamedTuple):
    """`sent`, `failed`, `retried`: of the requests due from its beginning until the campaign went on; `late_most_s`: of
    the latest to leave, which is the drill's own fault."""

    span: Span
    sent: int
    failed: int
    retried: int
    late_most_s: float
    before: Latencies
    during: Latencies
    after: Latencies
    lost: int
    doubled: int


def record_of(outcome: Outcome, options: Options, command: str, *, whole: bool) -> Record:
    """`whole`: every fault there is was in the plan; only then availability and the load that it speaks of have
    limits."""
    figures = figures_of(outcome, options.rate)
    return make_record(
        name=NAME if whole else f"{NAME}-part",
        what=(
            f"{len(figures)} faults in turn under {options.rate:g} single-row requests a second, open loop, to two "
            f"proposers behind a load balancer; a client tries once more; {PEOPLE} people who come again, one request "
            f"in {STRANGER_EVERY} is about a new one"
        ),
        command=command,
        now_us=SystemClock().now_us(),
        raw={**_whole(outcome, options, figures), **_by_fault(figures), **_series(outcome, options.rate)},
        limits=_limits(figures, whole=whole),
    )


def figures_of(outcome: Outcome, rate: float) -> list[FaultFigures]:
    answers = arrays(outcome.answers, 0, rate)
    attempts = np.array([0 if each is None else each.attempts for each in outcome.answers])
    late_s = np.array([0.0 if each is None else each.late_s for each in outcome.answers])
    lost, doubled = (np.array(each, dtype=np.int64) / rate for each in (outcome.account.lost, outcome.account.doubled))
    spans = outcome.course.spans
    ends = [*(span.begun_s for span in spans[1:]), float("inf")]
    found = []
    for span, end_s in zip(spans, ends, strict=True):
        part = answers.between(span.begun_s, span.until_s)
        first = int(np.searchsorted(answers.due_s, span.begun_s))
        found.append(
            FaultFigures(
                span=span,
                sent=len(part.ok),
                failed=int((~part.ok).sum()),
                retried=int((attempts[first : first + len(part.ok)] > 1).sum()),
                late_most_s=float(late_s[first : first + len(part.ok)].max(initial=0.0)),
                before=latencies(answers.between(span.begun_s - BEFORE_S, span.begun_s)),
                during=latencies(answers.between(span.begun_s, _over_s(span))),
                after=latencies(answers.between(_over_s(span), span.until_s + BEFORE_S)),
                lost=int(((lost >= span.begun_s) & (lost < end_s)).sum()),
                doubled=int(((doubled >= span.begun_s) & (doubled < end_s)).sum()),
            )
        )
    return found


def _over_s(span: Span) -> float:
    return span.until_s if span.recovered_s is None else max(span.recovered_s, span.lifted_s, span.begun_s + 1.0)


def _limits(figures: Sequence[FaultFigures], *, whole: bool) -> list[Limit]:
    kinds = {each.span.name.split()[0] for each in figures}
    limits: list[Limit] = [
        Equals("lost", 0),
        Equals("doubled", 0),
        Equals("invented", 0),
        Equals("dead_lettered", 0),
        Equals("by_hand", 0),
        Equals("not_done", 0),
        AtMost("slowest_recovery_s", LIMIT_S),
    ]
    if whole:
        limits += [
            AtLeast("requests", LEAST_REQUESTS),
            AtLeast("availability", LEAST_AVAILABILITY),
            AtMost("late_p99_s", MOST_LATE_S),
        ]
    for kind in sorted({ROLLING, SWAP} & kinds):
        limits.append(Equals(f"{_word(kind)}_failed", 0))
    for kind in sorted({FLOOD, IDLE} & kinds):
        limits.append(AtMost(f"{_word(kind)}_p99_ratio", MOST_HOSTILE_RATIO))
    if CORRUPT in kinds:
        limits.append(Equals("answered_by_corrupt_model", 0))
    return limits


def _whole(outcome: Outcome, options: Options, figures: Sequence[FaultFigures]) -> dict[str, Raw]:
    course, account = outcome.course, outcome.account
    answers = outcome.answers[course.first :]
    ok = sum(each is not None and each.ok for each in answers)
    good = latencies(arrays(answers, course.first, options.rate))
    late = np.array([each.late_s for each in answers if each is not None])
    times = [each.span.recovered_s - each.span.lifted_s for each in figures if each.span.recovered_s is not None]
    return {
        "requests": len(answers),
        "failed": len(answers) - ok,
        "availability": ok / len(answers) if answers else None,
        "retried": sum(each is not None and each.attempts > 1 for each in answers),
        "rate": options.rate,
        "p50_s": good.p50_s,
        "p99_s": good.p99_s,
        "late_p99_s": float(np.quantile(late, 0.99)) if len(late) else None,
        "late_most_s": float(late.max()) if len(late) else None,
        "faults": len(figures),
        "faults_skipped": [each.name for each in course.skipped],
        "faults_skipped_because": [each.why for each in course.skipped],
        "slowest_recovery_s": max(times, default=None),
        "by_hand": sum(each.span.by_hand for each in figures),
        "not_done": sum(bool(each.span.problem) for each in figures),
        "acknowledged": account.acknowledged,
        "stored": account.stored,
        "lost": len(account.lost),
        "doubled": len(account.doubled),
        "invented": account.invented,
        "stored_unanswered": account.unanswered,
        "dead_lettered": outcome.dead_lettered,
        "chain_links": outcome.chain_links,
        **{f"disk_{name}": kind for name, kind in outcome.disks.items()},
        **outcome.figures,
        **_of_kinds(outcome, options, figures),
        **_failures(answers),
    }


def _of_kinds(outcome: Outcome, options: Options, figures: Sequence[FaultFigures]) -> dict[str, Raw]:
    """What single kinds of faults have limits on."""
    raw: dict[str, Raw] = {}
    for each in figures:
        kind = each.span.name.split()[0]
        if kind in (ROLLING, SWAP):
            raw[f"{_word(kind)}_failed"] = each.failed + _number(raw.get(f"{_word(kind)}_failed"))
        if kind in (FLOOD, IDLE):
            raw[f"{_word(kind)}_p99_ratio"] = each.during.p99_s / each.before.p99_s
        if kind == CORRUPT:
            span = each.span
            part = outcome.answers[round(span.begun_s * options.rate) : round(span.until_s * options.rate)]
            wrong = sum(answer is not None and answer.version > 1 for answer in part)
            raw["answered_by_corrupt_model"] = wrong + _number(raw.get("answered_by_corrupt_model"))
    return raw


def _number(value: Raw) -> int:
    return value if isinstance(value, int) else 0


def _word(kind: str) -> str:
    return kind.replace("-", "_")


def _failures(answers: Sequence[Answer | None]) -> dict[str, Raw]:
    """Requests that failed, by what their last attempt met."""
    counts: dict[str, Raw] = {}
    for each in answers:
        if each is None or each.ok:
            continue
        name = f"failed_{WORDS.get(each.status, each.status)}"
        counts[name] = _number(counts.get(name)) + 1
    return dict(sorted(counts.items()))


def _by_fault(figures: Sequence[FaultFigures]) -> dict[str, Raw]:
    """Columns, a value a fault."""
    spans = [each.span for each in figures]
    recovered = [None if span.recovered_s is None else span.recovered_s - span.lifted_s for span in spans]
    return {
        "fault_name": [span.name for span in spans],
        "fault_begun_s": [round(span.begun_s, 3) for span in spans],
        "fault_lasted_s": [round(span.lifted_s - span.begun_s, 3) for span in spans],
        "fault_recovered_after_s": [None if each is None else round(each, 3) for each in recovered],
        "fault_by_hand": [int(span.by_hand) for span in spans],
        "fault_problem": [span.problem for span in spans],
        "fault_sent": [each.sent for each in figures],
        "fault_failed": [each.failed for each in figures],
        "fault_retried": [each.retried for each in figures],
        "fault_late_most_s": [round(each.late_most_s, 6) for each in figures],
        "fault_lost": [each.lost for each in figures],
        "fault_doubled": [each.doubled for each in figures],
        "fault_p50_before_s": [each.before.p50_s for each in figures],
        "fault_p50_during_s": [each.during.p50_s for each in figures],
        "fault_p50_after_s": [each.after.p50_s for each in figures],
        "fault_p99_before_s": [each.before.p99_s for each in figures],
        "fault_p99_during_s": [each.during.p99_s for each in figures],
        "fault_p99_after_s": [each.after.p99_s for each in figures],
    }


def _series(outcome: Outcome, rate: float) -> dict[str, Raw]:
    """A value a second, since the load began."""
    answers = arrays(outcome.answers, 0, rate)
    seconds = int(np.ceil(answers.due_s[-1])) if len(answers.due_s) else 0
    parts = [answers.between(second, second + 1.0) for second in range(seconds)]
    found = [latencies(part) for part in parts]
    return {
        "series_succeeded": [_share(part) for part in parts],
        "series_p50_s": [round(each.p50_s, 6) for each in found],
        "series_p99_s": [round(each.p99_s, 6) for each in found],
    }


def _share(part: Answers) -> float | None:
    return round(float(part.ok.mean()), 6) if len(part.ok) else None
