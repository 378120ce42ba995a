"""Benchmark: does the canary let worse models through, and how many labels does it take to let better ones through?

A thousand canaries of each kind are drawn by a seed: of each labelled row, whether only the new model is right, only
the old one, or both alike. The real rule (`decisions.rollouts.next_step`) looks after every label, and its time is over
after some number of them. Beside it, on the same rows, the rule as it was before ADR 48 (the asymptotic confidence
sequence, and at the end "not worse" by the estimate), and the labels that a test of fixed size takes for as much power.

The same again where people were asked about some inputs more than about others, as `least_sure_share` has it: 40 % of
the labels are of inputs that are asked about so many times as often, on which the new model is better than elsewhere.
With the labels weighed by their chances, as the rule does, and counted as they come.

    .venv/bin/python benchmarks/canary.py
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from dissonance.adapters.clock import SystemClock
from dissonance.contracts.policy import Policy
from dissonance.contracts.updates import RolloutPhase
from dissonance.decisions.rollouts import SECOND_US, next_step
from dissonance.drills.records import AtLeast, AtMost, Outcome, Raw, Record, make_record, write_record
from dissonance.ports.rollouts import PairedCounts, PairsOfChance, Rollout, step_of_chance, weighed_counts
from dissonance.science.proportions import wilson_interval
from dissonance.science.sequential import errors_at_any_time

POLICY = Policy()
MARGIN = POLICY.golden_drop_max
WORSE, BETTER = -(MARGIN + 0.001), 0.02
"""Accuracy of the new model less that of the old one."""
AGREE = (0.984, 0.98, 0.95, 0.9, 0.8, 0.7)
"""Share of rows on which both are right or both are wrong; at the first a worse model only loses."""
TIMES_OVER = (100, 300, 1_000, 2_000)
"""Labels after which the time of a canary is over."""
TIMES_AS_OFTEN = (4.0, 16.0, 128.0)
"""How much more often the least sure inputs are asked about than the others; chances that are told apart exactly."""
SHARE_OF_LABELS = 0.4
"""Of those that are of the least sure inputs: what the default policy spends on them."""
KINDS = ((0, False), (1, False), (-1, False), (0, True), (1, True), (-1, True))
"""Differences elsewhere, then on the least sure inputs."""
AGREE_LEAST_SURE, AGREE_ELSEWHERE = 0.7, 0.95
BETTER_THERE = 0.05
"""How much better the new model is on the least sure inputs than over all, and so worse elsewhere."""
MOST_PROMOTED = 0.05
SEED = 48
CLOCK = SystemClock()

Counts = NDArray[np.int64]
Look = Callable[[int, bool], RolloutPhase | None]
"""What comes next after so many labels, by whether the time is over then."""


class Canaries(NamedTuple):
    """`gained`, `lost` (canaries, labels): rows so far on which only the new or only the old model was right."""

    gained: Counts
    lost: Counts


class Ends(NamedTuple):
    """Of each canary whose time is over at some number of labels: `promoted`, and the `labels` it took."""

    promoted: NDArray[np.bool_]
    labels: Counts

    @property
    def share(self) -> float:
        return float(self.promoted.mean())


def drawn(agree: float, difference: float, canaries: int, seed: int) -> Canaries:
    disagree = 1.0 - agree
    chances = [(disagree + difference) / 2.0, (disagree - difference) / 2.0, agree]
    steps = np.random.default_rng(seed).choice([1, -1, 0], p=chances, size=(canaries, TIMES_OVER[-1]))
    return Canaries(np.cumsum(steps == 1, axis=1), np.cumsum(steps == -1, axis=1))


def by_rule(drawn: Canaries) -> dict[int, Ends]:
    """What `next_step` does with each, by when its time is over; it looks after every label."""
    looks = _Looks()

    def looker(one: int) -> Look:
        gained, lost = drawn.gained[one].tolist(), drawn.lost[one].tolist()
        return lambda n, over: looks.phase(gained[n - 1], lost[n - 1], n, over=over)

    return _ends(len(drawn.gained), 1, looker)


def _ends(canaries: int, first: int, looker: Callable[[int], Look]) -> dict[int, Ends]:
    """A look after every label from the `first` on; `looker` is asked for the look at each canary."""
    ends = {over: Ends(np.zeros(canaries, dtype=bool), np.full(canaries, over)) for over in TIMES_OVER}
    for one in range(canaries):
        look = looker(one)
        for n in range(first, TIMES_OVER[-1] + 1):
            phase = look(n, False)
            if n in ends:
                ends[n].promoted[one] = (phase or look(n, True)) is RolloutPhase.ARMED
            if phase is not None:
                for over in TIMES_OVER:
                    if over > n:
                        ends[over].promoted[one], ends[over].labels[one] = phase is RolloutPhase.ARMED, n
                break
    return ends


class _Looks:
    """What comes next, by what was counted so far; the same counts come again and again."""

    def __init__(self) -> None:
        self._known: dict[tuple[PairedCounts, bool], RolloutPhase | None] = {}
        self._rollout = Rollout(
            rollout_id="0" * 32,
            task_id="0" * 32,
            version=2,
            model_digest="b" * 64,
            previous_version=1,
            previous_digest="a" * 64,
            phase=RolloutPhase.CANARY,
            share=POLICY.canary_share,
            started_at_us=0,
            phase_at_us=0,
            by="benchmark",
            reason="",
        )

    def phase(self, gained: int, lost: int, n: int, *, over: bool) -> RolloutPhase | None:
        return self.at(PairedCounts(n - gained - lost, gained, lost, 0), over=over)

    def at(self, counted: PairedCounts, *, over: bool) -> RolloutPhase | None:
        key = (counted, over)
        if key not in self._known:
            now_us = POLICY.canary_max_s * SECOND_US if over else 0
            step = next_step(self._rollout, counted, None, now_us, POLICY)
            self._known[key] = None if step is None else step.phase
        return self._known[key]


def by_rule_before(drawn: Canaries) -> dict[int, Ends]:
    """As it was before ADR 48: one row added to each side, the spread times what makes it hold at any time."""
    n = np.arange(1, TIMES_OVER[-1] + 1)
    mean = (drawn.gained - drawn.lost) / n
    up, down = drawn.gained + 1.0, drawn.lost + 1.0
    spread = (up + down) / (n + 2.0) - ((up - down) / (n + 2.0)) ** 2
    half = np.sqrt(spread / n) * np.array([errors_at_any_time(float(each)) for each in n])
    may = n >= POLICY.canary_labels_min
    promotes, stops = may & (mean - half > -MARGIN), may & (mean + half < 0.0)
    first = [np.where(each.any(axis=1), each.argmax(axis=1) + 1, 2 * n[-1]) for each in (promotes, stops)]
    ends = {}
    for over in TIMES_OVER:
        decided = np.minimum(*first) <= over
        promoted = np.where(decided, first[0] <= first[1], mean[:, over - 1] >= 0.0)
        ends[over] = Ends(promoted, np.where(decided, np.minimum(*first), over))
    return ends


def fixed_size(agree: float, difference: float, power: float) -> float:
    """Labels of a test of the same hypothesis that looks once, at the level of 5 %, and has this power."""
    variance = (1.0 - agree) - difference**2
    reach = float(norm.ppf(1.0 - MOST_PROMOTED) + norm.ppf(power))
    return variance * max(0.0, reach) ** 2 / (difference + MARGIN) ** 2


def measured(canaries: int) -> dict[str, Raw]:
    raw: dict[str, Raw] = {
        "canaries": canaries,
        "margin": MARGIN,
        "labels_min": POLICY.canary_labels_min,
        "agreement": list(AGREE),
        "time_over_at_labels": list(TIMES_OVER),
    }
    rules: dict[str, Callable[[Canaries], dict[int, Ends]]] = {"": by_rule, "before_": by_rule_before}
    for name, difference in (("worse", WORSE), ("better", BETTER)):
        raw[f"{name}_difference"] = difference
        for place, agree in enumerate(AGREE):
            if 1.0 - agree < abs(difference) - 1e-9:
                continue
            canaries_drawn = drawn(agree, difference, canaries, SEED + place)
            for prefix, rule in rules.items():
                raw |= _told(f"{prefix}{name}", agree, difference, rule(canaries_drawn))
            sys.stderr.write(f"{name}, agreement {agree:g}: done\n")
    return raw | _summed_up(raw, canaries) | measured_by_chance(canaries)


class Asked(NamedTuple):
    """(canaries, labels): differences of labelled rows, and which are of the least sure inputs, asked about `times` as
    often as the others."""

    steps: NDArray[np.int8]
    least_sure: NDArray[np.bool_]
    times: float


def drawn_by_chance(times: float, difference: float, canaries: int, seed: int) -> Asked:
    """The new model's accuracy is `difference` above the old one's over all inputs."""
    generator = np.random.default_rng(seed)
    share = SHARE_OF_LABELS / (SHARE_OF_LABELS + times * (1.0 - SHARE_OF_LABELS))
    there = difference + BETTER_THERE
    elsewhere = (difference - share * there) / (1.0 - share)
    least_sure = generator.random((canaries, TIMES_OVER[-1])) < SHARE_OF_LABELS
    disagree = np.where(least_sure, 1.0 - AGREE_LEAST_SURE, 1.0 - AGREE_ELSEWHERE)
    gains = (disagree + np.where(least_sure, there, elsewhere)) / 2.0
    chance = generator.random(least_sure.shape)
    steps = np.where(chance < gains, 1, np.where(chance < disagree, -1, 0)).astype(np.int8)
    return Asked(steps, least_sure, times)


def by_chance(asked: Asked, *, weighed: bool) -> dict[int, Ends]:
    """As `by_rule`."""
    looks = _Looks()
    counts = np.stack(
        [np.cumsum((asked.steps == step) & (asked.least_sure == there), axis=1) for step, there in KINDS], axis=-1
    )

    def looker(one: int) -> Look:
        return lambda n, over: looks.at(_paired(counts[one, n - 1].tolist(), asked.times, weighed=weighed), over=over)

    return _ends(len(asked.steps), POLICY.canary_labels_min, looker)


def _paired(counted: list[int], times: float, *, weighed: bool) -> PairedCounts:
    """As the store tells it: what weighs 1 of the chance 1 / `times`."""
    elsewhere, there = counted[:3], counted[3:]
    if not weighed:
        same, gained, lost = (sum(each) for each in zip(elsewhere, there, strict=True))
        return PairedCounts(same, gained, lost, 0)
    groups = [
        PairsOfChance(step_of_chance(chance), same, gained, lost, 0)
        for chance, (same, gained, lost) in ((1.0 / times, elsewhere), (1.0, there))
        if same + gained + lost
    ]
    return weighed_counts(groups)


def measured_by_chance(canaries: int) -> dict[str, Raw]:
    raw: dict[str, Raw] = {"times_as_often": list(TIMES_AS_OFTEN)}
    for name, difference in (("worse", WORSE), ("better", BETTER)):
        for place, times in enumerate(TIMES_AS_OFTEN):
            asked = drawn_by_chance(times, difference, canaries, SEED + 100 + place)
            for prefix, weighed in (("weighed_", True), ("as_they_come_", False)):
                ends = by_chance(asked, weighed=weighed)
                at = f"{prefix}{name}_at_{times:g}"
                raw[f"{at}_promoted"] = [each.share for each in ends.values()]
                raw[f"{at}_labels"] = [float(each.labels.mean()) for each in ends.values()]
            sys.stderr.write(f"{name}, asked about {times:g} times as often: done\n")
    for prefix in ("weighed_", "as_they_come_"):
        raw[f"{prefix}worse_promoted_at_most"] = max(_values(raw, f"{prefix}worse_at_", "_promoted"))
        raw[f"{prefix}better_promoted_mean"] = float(np.mean(_values(raw, f"{prefix}better_at_", "_promoted")))
        raw[f"{prefix}better_labels_mean"] = float(np.mean(_values(raw, f"{prefix}better_at_", "_labels")))
    return raw


def _told(name: str, agree: float, difference: float, ends: dict[int, Ends]) -> dict[str, Raw]:
    at = f"{name}_at_{round(1_000 * agree)}"
    told: dict[str, Raw] = {
        f"{at}_promoted": [each.share for each in ends.values()],
        f"{at}_labels": [float(each.labels.mean()) for each in ends.values()],
    }
    if difference > -MARGIN:
        told[f"{at}_labels_of_fixed_size"] = [fixed_size(agree, difference, each.share) for each in ends.values()]
    return told


def _summed_up(raw: dict[str, Raw], canaries: int) -> dict[str, Raw]:
    """The most that are promoted of the worse; and of the better, labels against a test of fixed size, where at least
    half are promoted: a smaller power nobody would plan for."""
    told: dict[str, Raw] = {}
    for prefix in ("", "before_"):
        shares = _values(raw, f"{prefix}worse_at_", "_promoted")
        most = wilson_interval(round(max(shares) * canaries), canaries)
        told |= {
            f"{prefix}worse_promoted_at_most": most.estimate,
            f"{prefix}worse_promoted_at_most_low": most.low,
            f"{prefix}worse_promoted_at_most_high": most.high,
        }
        promoted = _values(raw, f"{prefix}better_at_", "_promoted")
        labels = _values(raw, f"{prefix}better_at_", "_labels")
        fixed = _values(raw, f"{prefix}better_at_", "_labels_of_fixed_size")
        ratios = [a / b for share, a, b in zip(promoted, labels, fixed, strict=True) if 0.5 <= share < 0.999]
        told |= {
            f"{prefix}better_promoted_mean": float(np.mean(promoted)),
            f"{prefix}better_labels_mean": float(np.mean(labels)),
            f"{prefix}labels_against_fixed_size": float(np.median(ratios)),
            f"{prefix}labels_against_fixed_size_most": max(ratios),
        }
    return told


def _values(raw: dict[str, Raw], start: str, end: str) -> list[float]:
    found: list[Any] = [values for name, values in raw.items() if name.startswith(start) and name.endswith(end)]
    return [float(value) for values in found for value in values]


def record_of(raw: dict[str, Raw], canaries: int) -> Record:
    return make_record(
        name="bench-canary",
        what=f"{canaries} simulated canaries of each kind, the real rule looking after every label: how many models"
        f" that are {-WORSE:g} less accurate (margin {MARGIN:g}) are promoted by agreement and time, and of better",
        command=f"python benchmarks/canary.py --canaries {canaries}",
        now_us=CLOCK.now_us(),
        raw=raw,
        limits=[
            AtMost("worse_promoted_at_most", MOST_PROMOTED),
            AtMost("weighed_worse_promoted_at_most", MOST_PROMOTED),
            AtLeast("better_promoted_mean", 0.5),
            AtMost("labels_against_fixed_size", 1.5),
        ],
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--canaries", type=int, default=1_000, help="of each kind (default: %(default)s)")
    parser.add_argument("--records", type=Path, default=Path("records"), help="where the record goes")
    given = parser.parse_args()
    record = record_of(measured(given.canaries), given.canaries)
    path = write_record(given.records, record)
    for name, value in record.raw.items():
        values = value if isinstance(value, list) else [value]
        shown = "  ".join(f"{each:.4g}" if isinstance(each, int | float) else "-" for each in values)
        sys.stdout.write(f"{name:44} {shown}\n")
    sys.stdout.write(f"{record.verdict}: {path}\n")
    return 0 if record.verdict is Outcome.PASS else 1


if __name__ == "__main__":
    raise SystemExit(main())
