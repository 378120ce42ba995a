"""How often audits from few labels hold the true accuracy, and how wide they are beside counting random labels.

A window is drawn from the pool with replacement, so that the accuracy of the whole pool is the truth. Labels are asked
for as the policy says; beliefs are those of a critic of the reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from dissonance.science.active_inference import Audit, audit
from dissonance.science.arrays import Vector
from dissonance.science.blind_spot import both_wrong_when_agreed
from dissonance.science.counted_labels import Asked, Delay, counted
from dissonance.science.dissonance import critic_distribution
from dissonance.science.proportions import Interval, wilson_interval
from dissonance.science.sampling import least_sure, propensities, rank_of_least_sure, spending, sureness
from dissonance.science.sceptic import fit_sceptic
from science.prepare import Prepared, Rows

WINDOW = 1_000
BUDGET = 100
CHECK = 0.2
DRAWS = 20
LOOKS = (200, 400, 600, 800, 1_000)
"""Rows after which a sequence is looked at."""
SHARES = {"for accuracy": 1.0, "half and half": 0.5, "for log loss": 0.0}
LONGEST = 0.3
"""Of the time of a window: how long a label may take. `SHORT` and `LONG` are mean delays."""
SHORT, LONG = 0.02, 0.2


class _Window(NamedTuple):
    """One draw: what is believed and true of its rows, in order, and when what was asked, and answered."""

    beliefs: Vector
    right: Vector
    labels: Asked

    def audited(self, delay: Delay, *, rows: int = WINDOW, now_s: float = 1.0, maturity_s: float = 0.0) -> Audit:
        found = counted(self.labels.first(rows), now_s=now_s, maturity_s=maturity_s, delay=delay)
        return audit(self.beliefs[:rows], self.right[:rows], found)


def audits(prepared: Prepared) -> Iterator[dict[str, Any]]:
    """One row a way of asking and a way of looking: shares over the draws."""
    pool = prepared.target
    critic = fit_sceptic(prepared.reference.labelled, category_sizes=prepared.category_sizes, seed=prepared.seed)
    beliefs = critic.confidence(pool.features, pool.p)
    truth = float(pool.right.mean())
    generator = np.random.default_rng([prepared.seed, 2, *prepared.case.encode()])
    for name, share in SHARES.items():
        yield from _of_asking(name, share, pool, beliefs, truth, generator)
    yield _both_wrong(pool, beliefs, generator)


def _of_asking(
    name: str, share: float, pool: Rows, beliefs: Vector, truth: float, generator: np.random.Generator
) -> Iterator[dict[str, Any]]:
    found: dict[str, list[dict[str, float]]] = {}

    def note(look: str, intervals: list[Interval], labels: int) -> None:
        held = all(each.low <= truth <= each.high for each in intervals)
        wide = [each.high - each.low for each in intervals]
        line = {"covered": float(held), "width": wide[-1], "error": intervals[-1].estimate - truth, "labels": labels}
        found.setdefault(look, []).append(line)

    for _ in range(DRAWS):
        prompt = _drawn(pool, beliefs, share, generator, SHORT, SHORT, 0.0)
        one = prompt.audited(Delay.ANY)
        note("one look", [one.once], one.labels)
        # As many labels of random rows of the same pool, counted.
        counting = generator.choice(pool.right, size=max(1, one.labels))
        note("counting as many random labels", [wilson_interval(int(counting.sum()), len(counting))], len(counting))
        looks = [prompt.audited(Delay.ANY, rows=rows) for rows in LOOKS]
        note("five looks, confidence sequence", [each.at_any_time for each in looks if each.at_any_time], one.labels)
        note("five looks, intervals for one", [each.once for each in looks], one.labels)
        even = _drawn(pool, beliefs, share, generator, LONG, LONG, LONGEST)
        by_answer = _drawn(pool, beliefs, share, generator, SHORT, LONG, LONGEST)
        for kind, window in (("delay by chance", even), ("wrong answers' labels late", by_answer)):
            mature = window.audited(Delay.ANY, maturity_s=LONGEST)
            note(f"{kind}, mature rows", [mature.once], mature.labels)
            come = window.audited(Delay.INDEPENDENT)
            note(f"{kind}, labels as they come", [come.once], come.labels)
    for look, lines in found.items():
        yield {"asking": name, "look": look, "truth": truth} | {
            key: float(np.mean([line[key] for line in lines])) for key in lines[0]
        }


def _drawn(
    pool: Rows,
    beliefs: Vector,
    share: float,
    generator: np.random.Generator,
    delay_right: float,
    delay_wrong: float,
    longest: float,
) -> _Window:
    """`longest` 0: labels come at once."""
    rows = generator.integers(len(pool), size=WINDOW)
    sure = sureness(beliefs[rows])
    spent = spending(BUDGET, random_share=CHECK, accuracy_share=share)
    rank = rank_of_least_sure(spent)
    at = float(np.sort(sure)[rank - 1]) if rank else 0.0
    chances = propensities(sure, spent, WINDOW, least_sure(spent, WINDOW, at, int((sure <= at).sum()))).asked
    drawn_at = np.sort(generator.random(WINDOW))
    right = pool.right[rows]
    took = np.minimum(generator.exponential(np.where(right > 0.0, delay_right, delay_wrong)), longest)
    return _Window(beliefs[rows], right, Asked(chances, generator.random(WINDOW) < chances, drawn_at, drawn_at + took))


def _both_wrong(pool: Rows, beliefs: Vector, generator: np.random.Generator) -> dict[str, Any]:
    q = critic_distribution(pool.p, beliefs)
    agreed = pool.p.argmax(axis=1) == q.argmax(axis=1)
    truth = float(1.0 - pool.right[agreed].mean())
    intervals = []
    for _ in range(DRAWS):
        rows = generator.integers(len(pool), size=BUDGET)
        intervals.append(both_wrong_when_agreed(pool.p[rows], q[rows], pool.classes[rows]))
    return {
        "asking": "random check",
        "look": "both wrong where they agree",
        "truth": truth,
        "covered": float(np.mean([each.low <= truth <= each.high for each in intervals])),
        "width": float(np.mean([each.high - each.low for each in intervals])),
        "error": float(np.mean([each.estimate for each in intervals])) - truth,
        "labels": float(BUDGET),
    }
