"""The part on labels: how few are needed, whether audits with them hold the truth, and whom second looks suspect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from dissonance.drills.records import AtLeast, AtMost, Limit, Raw
from science.bootstrap import Interval, hierarchical, resampled
from science.coverage import audits
from science.learning_curves import FIXED_STEP, curves
from science.prepare import Prepared
from science.turned_labels import second_looks

TITLE = "Labels: how few, whether audits hold, who is asked again"
AIM = 0.45
"""The share of labels by which asking for accuracy is to need fewer than random."""
LEVEL = 0.95
RANDOM, MARGIN, OURS = "random", "margin (scikit-activeml)", "ours, for accuracy"
COUNTING = "counting as many random labels"
NEEDED = "labels to 80 % of the attainable gain"
COVERED = "coverage at 95 %"
RATIOS = [
    f"{kind} {base}{end}"
    for kind in ("total to", "each to")
    for base in ("random", "margin")
    for end in ("", ", low", ", high")
]

HOLDS = (
    "one look",
    "five looks, confidence sequence",
    "delay by chance, mature rows",
    "delay by chance, labels as they come",
    "wrong answers' labels late, mature rows",
    "both wrong where they agree",
)
"""Looks that promise to hold; the others are shown for what they lack."""


def rows(prepared: Prepared) -> list[dict[str, Any]]:
    """`measure` says what a row is of: labels needed, coverage, or second looks."""
    about = {"part": "labels", "group": prepared.group, "case": prepared.case, "seed": prepared.seed}
    found = [about | {"measure": "needed"} | each for each in curves(prepared)]
    found += [about | {"measure": "coverage"} | each for each in audits(prepared)]
    return found + [about | {"measure": "second look"} | each for each in second_looks(prepared)]


def summary(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Intervals by hierarchical bootstrap. Labels needed are compared twice: in total, where cases that need many weigh
    most, and as the geometric mean of the ratios of each case and seed."""
    frame = pd.DataFrame(found)
    needed = frame[frame["measure"] == "needed"]
    covered = frame[frame["measure"] == "coverage"]
    looked = frame[frame["measure"] == "second look"]
    return {
        "learning curves of cases and seeds": int(needed[["case", "seed"]].drop_duplicates().shape[0]),
        "cases with learning curves": int(needed["case"].nunique()) if len(needed) else 0,
        NEEDED: _needed(needed) if len(needed) else [],
        COVERED: _covered(covered),
        "second looks": _looked(looked),
    }


def figures(summed: dict[str, Any]) -> dict[str, Raw]:
    told: dict[str, Raw] = {}
    for line in summed[NEEDED]:
        if line["method"] == OURS and line["metric"] == "accuracy":
            told = {f"labels_{name.replace(', ', '_').replace(' ', '_')}": line.get(name) for name in RATIOS}
    covered = [line for line in summed[COVERED] if line["look"] in HOLDS]
    return told | {
        "least_coverage": min(line["covered"] for line in covered),
        "least_coverage_high": min(line["high"] for line in covered),
    }


def limits(summed: dict[str, Any]) -> list[Limit]:
    """On labels needed only where a case had something to gain, and against margin sampling only where it was run."""
    measured = {line["method"] for line in summed[NEEDED]}
    few: list[Limit] = [AtMost("labels_total_to_random", 1.0 - AIM)] if OURS in measured else []
    if MARGIN in measured:
        few.append(AtMost("labels_total_to_margin", 1.0))
    return [*few, AtLeast("least_coverage_high", LEVEL)]


def _needed(needed: pd.DataFrame) -> list[dict[str, Any]]:
    lines = []
    for metric, of_metric in needed.groupby("metric", sort=False):
        of_method = {str(name): _by_seed(some) for name, some in of_metric.groupby("method", sort=False)}
        for method, own in of_method.items():
            line: dict[str, Any] = {
                "metric": metric,
                "method": method,
                "median labels": float(own["needed"].median()),
                "never reached": float(1.0 - own["reached"].astype(float).mean()),
            }
            for name, short in ((RANDOM, "random"), (MARGIN, "margin")):
                if name in of_method:
                    for kind, ratio in (
                        ("total to", _ratio_of_totals(own, of_method[name])),
                        ("each to", _mean_ratio(own, of_method[name])),
                    ):
                        line |= {
                            f"{kind} {short}": ratio.estimate,
                            f"{kind} {short}, low": ratio.low,
                            f"{kind} {short}, high": ratio.high,
                        }
            above = (own["at_fixed_step"] - of_method[RANDOM]["at_fixed_step"]).rename("above").reset_index()
            at_step = hierarchical(above, "above")
            step = f"{FIXED_STEP} labels, above random"
            lines.append(line | {step: at_step.estimate, f"{step}, low": at_step.low, f"{step}, high": at_step.high})
    return lines


def _by_seed(needed: pd.DataFrame) -> pd.DataFrame:
    return needed.set_index(["group", "case", "seed"]).sort_index()


def _ratio_of_totals(own: pd.DataFrame, other: pd.DataFrame) -> Interval:
    both = pd.DataFrame({"own": own["needed"], "other": other["needed"]}).reset_index()
    fewer = resampled(both, ["own", "other"]).reduction(0, 1)
    return Interval(1.0 - fewer.estimate, 1.0 - fewer.high, 1.0 - fewer.low)


def _mean_ratio(own: pd.DataFrame, other: pd.DataFrame) -> Interval:
    """Geometric mean of the ratio of labels needed."""
    logs = np.log(own["needed"] / other["needed"]).rename("ratio").reset_index()
    return Interval(*map(float, np.exp(hierarchical(logs, "ratio"))))


def _covered(covered: pd.DataFrame) -> list[dict[str, Any]]:
    lines = []
    counting = covered[covered["look"] == COUNTING].set_index(["asking", "case", "seed"])["width"]
    for (asking, look), some in covered.groupby(["asking", "look"], sort=False):
        interval = hierarchical(some, "covered")
        line: dict[str, Any] = {
            "asking": asking,
            "look": look,
            "covered": interval.estimate,
            "low": interval.low,
            "high": interval.high,
            "mean error": float(some["error"].mean()),
            "labels": float(some["labels"].mean()),
            "width": float(some["width"].mean()),
        }
        if asking in counting.index.get_level_values("asking"):
            width = some.set_index(["asking", "case", "seed"])["width"]
            line["width to counting"] = float(np.exp(np.log(width / counting[width.index]).mean()))
        lines.append(line)
    return lines


def _looked(looked: pd.DataFrame) -> list[dict[str, Any]]:
    lines = []
    for (turned, rule), some in looked.groupby(["turned", "rule"], sort=False):
        line: dict[str, Any] = {"turned": turned, "rule": rule}
        for value in ("asked", "precision", "recall", "right_ones_asked"):
            told = some.dropna(subset=[value])
            if len(told):
                interval = hierarchical(told, value)
                line |= {value: interval.estimate, f"{value}, low": interval.low, f"{value}, high": interval.high}
        lines.append(line)
    return lines
