"""What the rows of `updates` say: means, and differences between methods on the same case, seed and labels, with
intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from science.bootstrap import hierarchical

OF = ["group", "case", "seed", "labels", "metric"]
SHOWN = (
    "target_log_loss",
    "target_ece",
    "target_brier",
    "target_accuracy",
    "source_log_loss",
    "source_ece",
    "source_accuracy",
)
COMPARED = ("signed", "calibrated", "calibrated, no weights", "update", "update, 5 rounds")
Table = list[dict[str, Any]]


def summary(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Tables of dicts; losses in nats. A difference below 0 is in favour of the method, but for accuracy."""
    frame = pd.DataFrame(found)
    parts = dict(iter(frame.groupby("part")))
    said: dict[str, Any] = {}
    if "update" in parts:
        update = parts["update"]
        said["updates"] = _means(update)
        said["updates against retraining"] = _against(update, COMPARED, "retrain")
        said["what the penalty is worth"] = _against(update, ("update, penalty",), "update")
    said["changed concepts, signed correction against retraining"] = [
        {"concept": part.removeprefix("concept_"), **row}
        for part, rows in parts.items()
        if str(part).startswith("concept_")
        for row in _against(rows, ("signed",), "retrain")
    ]
    if "finder" in parts:
        said["changed slices"] = _figures(parts["finder"])
    if "poison" in parts:
        said["poison: damage"] = _figures(parts["poison"])
        said["poison: damage against a third of what retraining takes"] = _third(parts["poison"])
        said["poison: verdicts"] = _figures(parts["quarantine"])
    return said


def _means(rows: pd.DataFrame) -> Table:
    """Over cases, then seeds: rows of a case are averaged first."""
    by_case = rows.groupby(["labels", "method", "metric", "case"])["value"].mean()
    table = by_case.groupby(["labels", "method", "metric"]).mean().unstack("metric")
    return [
        {"labels": labels, "method": method, **{name: float(values[name]) for name in SHOWN}}
        for (labels, method), values in table.iterrows()
    ]


def _against(rows: pd.DataFrame, methods: Sequence[str], base: str) -> Table:
    """Differences to `base`, for each number of labels and over all of them."""
    wide = rows.pivot_table(index=OF, columns="method", values="value").reset_index()
    table: Table = []
    for method in methods:
        wide["value"] = wide[method] - wide[base]
        for metric, same in wide.groupby("metric"):
            if str(metric).startswith("source") and str(metric) not in SHOWN:
                continue
            several = [*same.groupby("labels")] if same["labels"].nunique() > 1 else []
            for labels, part in [*several, ("all", same)]:
                table.append({"method": method, "against": base, "labels": labels, "metric": metric, **_interval(part)})
    return table


def _figures(rows: pd.DataFrame) -> Table:
    return [
        {"method": method, "metric": metric, **_interval(part)}
        for (method, metric), part in rows.groupby(["method", "metric"])
    ]


def _third(rows: pd.DataFrame) -> Table:
    """Damage to the update less a third of that to retraining: below 0 is what is asked for."""
    wide = rows.pivot_table(index=OF, columns="method", values="value").reset_index()
    table: Table = []
    for method in ("update", "update, trust region"):
        wide["value"] = wide[method] - wide["retrain"] / 3.0
        table += [{"method": method, "metric": metric, **_interval(part)} for metric, part in wide.groupby("metric")]
    return table


def _interval(rows: pd.DataFrame) -> dict[str, float]:
    estimate, low, high = hierarchical(rows, "value", draws=1_000)
    return {"estimate": estimate, "low": low, "high": high, "n": float(len(rows))}
