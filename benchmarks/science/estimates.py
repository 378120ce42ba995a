"""The part on accuracy without labels: every method on every window, its error, its alarms, its intervals."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from dissonance.drills.records import AtMost, Limit, Raw
from science.bootstrap import Interval, hierarchical, paired
from science.case import COVARIATE
from science.estimate import Known
from science.methods import CBPE, METHODS, PAPE, SCEPTIC
from science.options import current
from science.peers.density import density_ratio
from science.prepare import Prepared
from science.windows import Window, draw, pool

TITLE = "Accuracy before any label"
MARGIN = 0.01
"""`harm_margin`: a loss of accuracy within it is no harm."""
DROPS = ((-1.0, MARGIN), (MARGIN, 0.03), (0.03, 0.05), (0.05, 1.0))
"""Of accuracy, from the reference to all rows of the pool that a window is drawn from; above, up to."""

WINDOW = ("kind", "size", "window")


def rows(prepared: Prepared) -> list[dict[str, Any]]:
    """One row a window and method."""
    known, windows = Known.of(prepared), draw(prepared, current().windows)
    traffic = [window.traffic for window in windows]
    found = []
    for name, method in METHODS.items():
        if name == CBPE and current().nannyml is None:
            continue
        begun = time.perf_counter()
        try:
            estimates = method(known, traffic)
        except Exception as error:
            error.add_note(f"method {name}")
            raise
        seconds = (time.perf_counter() - begun) / len(windows)
        found += [
            _about(prepared, window) | {"method": name, "seconds": seconds} | estimate._asdict()
            for window, estimate in zip(windows, estimates, strict=True)
        ]
    density_ratio.cache_clear()
    return found


def _about(prepared: Prepared, window: Window) -> dict[str, Any]:
    return {
        "group": prepared.group,
        "case": prepared.case,
        "family": prepared.family,
        "seed": prepared.seed,
        "kind": window.kind,
        "size": window.size,
        "window": window.number,
        "truth": float(window.rows.right.mean()),
        "pool": float(pool(prepared, window.kind).right.mean()),
        "reference": float(prepared.reference.right.mean()),
    }


def summary(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Lists of rows by title, each a table of the report; errors and accuracies in points of a hundred.

    All but `families`, `by_case`, `untold` and `windows` is of covariate shifts, if there are any.
    """
    frame = pd.DataFrame(found)
    frame["error"] = 100.0 * (frame["value"].astype(float) - frame["truth"]).abs()
    frame["bias"] = 100.0 * (frame["value"].astype(float) - frame["truth"])
    everywhere = frame
    if (frame["family"] == COVARIATE).any():
        frame = frame[frame["family"] == COVARIATE]
    telling = frame[frame["error"].notna()]
    return {
        "errors": _errors(telling),
        "differences": _differences(telling),
        "families": _families(everywhere[everywhere["error"].notna()]),
        "by_case": _by_case(everywhere[everywhere["error"].notna()]),
        "intervals": _intervals(frame),
        "alarms": _alarms(frame[frame["alarm"].notna()]),
        "untold": _untold(everywhere),
        "windows": _windows(everywhere),
        "cost": [
            {"method": method, "seconds": float(part["seconds"].mean())}
            for (method,), part in _parts(frame, ["method"])
        ],
    }


def _errors(telling: pd.DataFrame) -> list[dict[str, Any]]:
    """Mean absolute error and bias by method, kind and size."""
    return [
        {"kind": kind, "size": size, "method": method, "windows": len(part)}
        | _named("error", hierarchical(part, "error"))
        | _named("bias", hierarchical(part, "bias"))
        for (kind, size, method), part in _parts(telling, ["kind", "size", "method"])
    ]


def _families(telling: pd.DataFrame) -> list[dict[str, Any]]:
    """Mean absolute error on shifted windows of the largest size, by what can be known of the shift."""
    shifted = telling[(telling["kind"] == "target") & (telling["size"] == telling["size"].max())]
    return [
        {"family": family, "method": method, "windows": len(part), "cases": part["case"].nunique()}
        | _named("error", hierarchical(part, "error"))
        for (family, method), part in _parts(shifted, ["family", "method"])
    ]


def _differences(telling: pd.DataFrame) -> list[dict[str, Any]]:
    """Error of each method less that of CBPE and of PAPE, on the windows that both could judge."""
    told = []
    for (kind, size), part in _parts(telling, ["kind", "size"]):
        methods = list(part["method"].unique())
        for peer in (CBPE, PAPE):
            for method in methods if peer in methods else ():
                if method == peer:
                    continue
                both = paired(part, "error", (method, peer), WINDOW)
                told.append(
                    {"kind": kind, "size": size, "method": method, "peer": peer}
                    | _named("difference", both.difference(0, 1))
                    | _named("reduction", both.reduction(0, 1))
                )
    return told


def _by_case(telling: pd.DataFrame) -> list[dict[str, Any]]:
    """Mean absolute error on shifted windows of the largest size that a case has, a column a method."""
    shifted = telling[telling["kind"] == "target"]
    largest = shifted[shifted["size"] == shifted.groupby("case")["size"].transform("max")]
    table = largest.pivot_table(index=["group", "case", "size"], columns="method", values="error", sort=False)
    table.insert(0, "reference", 100.0 * largest.groupby(["group", "case", "size"])["reference"].mean())
    table.insert(1, "shifted", 100.0 * largest.groupby(["group", "case", "size"])["pool"].mean())
    return [_plain(row) for row in table.reset_index().to_dict("records")]


def _intervals(telling: pd.DataFrame) -> list[dict[str, Any]]:
    """How often intervals and lower bounds hold, how wide they are, and by how much a bound lies below the truth."""
    told = []
    for (kind, size, method), part in _parts(telling, ["kind", "size", "method"]):
        ranged, bounded = part[part["low"].notna()], part[part["bound"].notna()]
        row: dict[str, Any] = {"kind": kind, "size": size, "method": method}
        if len(ranged):
            covered = (ranged["low"] <= ranged["truth"]) & (ranged["truth"] <= ranged["high"])
            width = 100.0 * (ranged["high"] - ranged["low"]).astype(float)
            row |= _named("covered", hierarchical(ranged.assign(covered=covered.astype(float)), "covered"))
            row["width"] = float(width.mean())
        if len(bounded):
            slack = 100.0 * (bounded["truth"] - bounded["bound"]).astype(float)
            holds = bounded.assign(valid=(slack >= 0.0).astype(float), slack=slack)
            row |= _named("valid", hierarchical(holds, "valid")) | _named("slack", hierarchical(holds, "slack"))
        if len(row) > 3:
            told.append(row)
    return told


def _alarms(alarming: pd.DataFrame) -> list[dict[str, Any]]:
    """Share of windows with an alarm: undisturbed ones, and shifted ones by the true loss of accuracy."""
    alarming = alarming.assign(alarm=alarming["alarm"].astype(float), drop=alarming["reference"] - alarming["pool"])
    told = []
    for (size, method), part in _parts(alarming, ["size", "method"]):
        undisturbed, shifted = (part[part["kind"] == kind] for kind in ("source", "target"))
        strata = [("undisturbed", undisturbed)] + [
            (_drop_name(low, high), shifted[(shifted["drop"] > low) & (shifted["drop"] <= high)]) for low, high in DROPS
        ]
        told += [
            {"size": size, "method": method, "drop": name, "windows": len(rows)}
            | _named("alarms", hierarchical(rows, "alarm"))
            for name, rows in strata
            if len(rows)
        ]
    return told


def _drop_name(low: float, high: float) -> str:
    if low < 0.0:
        return f"shifted, within {100 * high:g} point"
    return f"loss over {100 * low:g} points" if high == 1.0 else f"loss of {100 * low:g} to {100 * high:g} points"


def _untold(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Where a method that tells accuracy said that it cannot."""
    tells = frame.groupby("method")["value"].transform("count") > 0
    silent = frame[tells & frame["value"].isna()]
    counts = silent.groupby(["method", "kind", "size", "note"]).size()
    return [_plain(row) for row in counts.rename("windows").reset_index().to_dict("records")]


def _windows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Of how many cases and seeds the pool was large enough for windows of a size."""
    all_of_them = frame[["case", "seed"]].drop_duplicates()
    return [
        {
            "kind": kind,
            "size": size,
            "cases_and_seeds": len(part[["case", "seed"]].drop_duplicates()),
            "of": len(all_of_them),
            "windows": len(part[["case", "seed", "window"]].drop_duplicates()),
        }
        for (kind, size), part in _parts(frame, ["kind", "size"])
    ]


def figures(told: dict[str, Any]) -> dict[str, Raw]:
    """What the record holds: errors at the largest size, and the sceptic against its peers."""
    size = max(row["size"] for row in told["errors"])
    named: dict[str, Raw] = {
        f"error_{_slug(row['method'])}_{row['kind']}_{size}_points": row["error"]
        for row in told["errors"]
        if row["size"] == size
    }
    for row in told["differences"]:
        if row["method"] == SCEPTIC and row["size"] == size:
            name = f"{_slug(row['peer'])}_{row['kind']}"
            named |= {f"against_{name}_{end}_points": row[f"difference_{end}"] for end in ("low", "high")}
            named[f"below_{name}"] = row["reduction"]
    return named


def limits(told: dict[str, Any]) -> list[Limit]:
    """The sceptic's, where both were measured: below each peer under shift, and below CBPE or even without."""
    judged = {(row["peer"], row["kind"]) for row in told["differences"] if row["method"] == SCEPTIC}
    wanted = ((CBPE, "target", "high"), (PAPE, "target", "high"), (CBPE, "source", "low"))
    return [
        AtMost(f"against_{_slug(peer)}_{kind}_{end}_points", 0.0)
        for peer, kind, end in wanted
        if (peer, kind) in judged
    ]


def _slug(method: str) -> str:
    return "_".join(method.partition("(")[0].lower().replace(",", " ").replace("-", " ").replace("²", "2").split())


def _named(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _parts(frame: pd.DataFrame, by: list[str]) -> list[tuple[tuple[Any, ...], pd.DataFrame]]:
    """Parts by key, methods in the order that their rows came in."""
    order = {name: place for place, name in enumerate(frame["method"].unique())}
    parts = [(tuple(_scalar(value) for value in key), part) for key, part in frame.groupby(by, sort=False)]
    return sorted(parts, key=lambda each: tuple(order.get(value, value) for value in each[0]))


def _plain(row: dict[Any, Any]) -> dict[str, Any]:
    return {str(name): _scalar(value) for name, value in row.items()}


def _scalar(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
