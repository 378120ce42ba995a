"""The report's section on accuracy without labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from dissonance.drills.page import figure, prose, table
from science.charts import alarm_chart, error_chart, scatter_chart
from science.methods import SCEPTIC

KINDS = {"target": "shifted windows", "source": "undisturbed windows"}


def estimates_section(summary: dict[str, Any], rows: pd.DataFrame) -> str:
    largest = max(row["size"] for row in summary["errors"])
    told = []
    for kind, name in KINDS.items():
        chart = error_chart(summary["errors"], kind, f"Error of estimated accuracy on {name}, by size")
        told.append(f"<h3>Error on {name}</h3>")
        told.append(figure(chart, f"Mean absolute error of estimated accuracy on {name}, 95 % intervals."))
        told.append(_by_size(summary["errors"], kind, "error"))
    told.append(figure(scatter_chart(rows, "Estimated and true accuracy"), f"Shifted windows of {largest:,} rows."))
    told.append("<h3>Difference in error on the same windows</h3>")
    told.append(_differences(summary["differences"], largest))
    told.append("<h3>Intervals and lower bounds</h3>")
    told.append(_intervals(summary["intervals"]))
    told.append("<h3>Alarms</h3>")
    if summary["alarms"]:
        caption = "Share of windows with an alarm; the dashed line is the level of the tests, 0.05."
        told.append(figure(alarm_chart(summary["alarms"], "Alarms by true loss of accuracy"), caption))
        told.append(_alarms(summary["alarms"]))
    told.append("<h3>What can be known of a shift</h3>")
    told.append(
        prose(
            """
            Covariate shifts: inputs move and overlap; all above is of these. Apart: source and target share no
            input, and the sceptic says that it cannot tell. Hidden: what moves is not among the inputs, and no
            method can see it.
            """
        )
    )
    told.append(_families(summary["families"], largest))
    told.append("<h3>By case</h3>")
    told.append(_by_case(summary["by_case"]))
    told.append("<h3>Where methods said that they cannot tell</h3>")
    told.append(_untold(summary["untold"]))
    told.append("<h3>Windows that the pools could give</h3>")
    told.append(_windows(summary["windows"]))
    told.append("<h3>Seconds a window</h3>")
    told.append(prose("Means over all kinds and sizes. Importance weighting uses PAPE's ratio; CBPE starts NannyML."))
    lines = [(row["method"], f"{row['seconds']:.3f}") for row in summary["cost"]]
    told.append(table(("method", "seconds"), lines, numbers={1}))
    return "".join(told)


def _by_size(errors: Sequence[dict[str, Any]], kind: str, name: str) -> str:
    sizes = sorted({row["size"] for row in errors})
    found = {(row["method"], row["size"]): row for row in errors if row["kind"] == kind}
    methods = dict.fromkeys(row["method"] for row in errors)
    lines = [
        (method, *(_ranged(found.get((method, size)), name) for size in sizes))
        for method in methods
        if any((method, size) in found for size in sizes)
    ]
    head = ("points", *(f"{size:,} rows" for size in sizes))
    return table(head, lines, numbers=set(range(1, len(head))))


def _families(families: Sequence[dict[str, Any]], size: int) -> str:
    names = list(dict.fromkeys(row["family"] for row in families))
    found = {(row["family"], row["method"]): row for row in families}
    lines = [
        (method, *(_ranged(found.get((name, method)), "error") for name in names))
        for method in dict.fromkeys(row["method"] for row in families)
    ]
    return table((f"points, {size:,} rows", *names), lines, numbers=set(range(1, len(names) + 1)))


def _differences(differences: Sequence[dict[str, Any]], size: int) -> str:
    lines = [
        (
            KINDS[row["kind"]],
            row["method"],
            row["peer"],
            _ranged(row, "difference", "+.2f"),
            _ranged(row, "reduction", ".0%"),
        )
        for row in differences
        if row["size"] == size and (row["method"] == SCEPTIC or row["kind"] == "target")
    ]
    if not lines:
        return prose("There was no peer to compare with.")
    head = (f"{size:,} rows", "method", "less the error of", "difference, points", "error lower by")
    return table(head, lines, numbers={3, 4})


def _intervals(intervals: Sequence[dict[str, Any]]) -> str:
    lines = [
        (
            KINDS[row["kind"]],
            f"{row['size']:,}",
            row["method"],
            _ranged(row, "covered", ".1%"),
            f"{row['width']:.1f}" if "width" in row else "",
            _ranged(row, "valid", ".1%"),
            _ranged(row, "slack"),
        )
        for row in intervals
    ]
    if not lines:
        return prose("No method gave an interval or a bound.")
    head = ("windows", "rows", "method", "interval covers", "its width", "bound holds", "slack of the bound")
    text = prose("Width and slack in points. CBPE's interval is NannyML's own: three standard errors of sampling.")
    return text + table(head, lines, numbers={1, 3, 4, 5, 6})


def _alarms(alarms: Sequence[dict[str, Any]]) -> str:
    drops = list(dict.fromkeys(row["drop"] for row in alarms))
    found = {(row["size"], row["method"], row["drop"]): row for row in alarms}
    lines = [
        (f"{size:,}", method, *(_counted(found.get((size, method, drop))) for drop in drops))
        for size, method in dict.fromkeys((row["size"], row["method"]) for row in alarms)
    ]
    return table(("rows", "method", *drops), lines, numbers={0, *range(2, len(drops) + 2)})


def _counted(row: dict[str, Any] | None) -> str:
    return "" if row is None else f"{_ranged(row, 'alarms', '.1%')} of {row['windows']:,}"


def _by_case(cases: Sequence[dict[str, Any]]) -> str:
    fixed = ("group", "case", "size", "reference", "shifted")
    methods = [name for name in cases[0] if name not in fixed]
    lines = []
    for row in cases:
        errors = [row[name] for name in methods]
        best = min(error for error in errors if error is not None)
        lines.append(
            (
                row["case"],
                f"{row['size']:,}",
                f"{row['reference']:.1f} → {row['shifted']:.1f}",
                *("" if e is None else f"{e:.1f}{' *' if e == best else ''}" for e in errors),
            )
        )
    head = ("case", "rows", "accuracy", *methods)
    text = prose(
        "Mean absolute error in points on shifted windows; * the least. Accuracy of the reference → of the target pool."
    )
    return text + f'<div style="overflow-x:auto">{table(head, lines, numbers=set(range(1, len(head))))}</div>'


def _untold(untold: Sequence[dict[str, Any]]) -> str:
    if not untold:
        return prose("Nowhere: every method gave a number for every window.")
    lines = [
        (row["method"], KINDS[row["kind"]], f"{row['size']:,}", f"{row['windows']:,}", row["note"]) for row in untold
    ]
    return table(("method", "windows", "rows", "how many", "why"), lines, numbers={2, 3})


def _windows(windows: Sequence[dict[str, Any]]) -> str:
    lines = [
        (
            KINDS[row["kind"]],
            f"{row['size']:,}",
            f"{row['windows']:,}",
            f"{row['cases_and_seeds']:,} of {row['of']:,}",
        )
        for row in windows
    ]
    head = ("windows", "rows", "how many", "cases and seeds whose pool is large enough")
    return table(head, lines, numbers={1, 2, 3})


def _ranged(row: dict[str, Any] | None, name: str, form: str = ".2f") -> str:
    if row is None or row.get(name) is None:
        return ""
    return f"{row[name]:{form}} ({row[name + '_low']:{form}} to {row[name + '_high']:{form}})"
