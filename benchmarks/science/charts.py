"""The figures of the report, as inline SVG in the colours of the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from dissonance.drills.figures import BLUE, GREEN, GREY, ORANGE, PURPLE, axes_svg, figure_svg
from science.methods import CBPE, PAPE, SCEPTIC

COLOURS = {SCEPTIC: BLUE, CBPE: ORANGE, PAPE: GREEN, "importance weighting": PURPLE, "naive": GREY}
MORE = ("#c9a227", "#c0504d", "#8c564b", "#7a5195", "#e377c2", "#17becf", "#9edae5", "#bcbd22", "#6b4c9a", "#00796b")
MARKERS = "osD^vP*Xhd<>p8"
SPREAD = 0.7
"""Of the methods around a size, of the distance to the next."""


def style_of(methods: Sequence[str]) -> dict[str, dict[str, str]]:
    """Colour and marker by method; the same in every figure."""
    others = [name for name in methods if name not in COLOURS]
    colours = COLOURS | {name: MORE[place % len(MORE)] for place, name in enumerate(others)}
    return {
        name: {"color": colours[name], "marker": MARKERS[place % len(MARKERS)]} for place, name in enumerate(methods)
    }


def error_chart(errors: Sequence[dict[str, Any]], kind: str, title: str) -> str:
    """Mean absolute error by size, a point and interval a method."""
    methods, sizes = _names(errors, "method"), sorted({row["size"] for row in errors})
    style = style_of(methods)

    def draw(axes: Any) -> None:
        for place, method in enumerate(methods):
            rows = [row for row in errors if row["method"] == method and row["kind"] == kind]
            at = [sizes.index(row["size"]) + _offset(place, len(methods)) for row in rows]
            _points(axes, at, rows, "error", style[method], method)
        axes.set_xticks(range(len(sizes)), [f"{size:,}" for size in sizes])
        axes.set_xlabel("rows of the window")
        axes.set_ylabel("mean error, points")
        axes.set_ylim(bottom=0.0)
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)

    return axes_svg(draw, title, 3.6)


def alarm_chart(alarms: Sequence[dict[str, Any]], title: str) -> str:
    """Share of windows with an alarm by true loss, a panel a size."""
    methods, sizes, drops = _names(alarms, "method"), sorted({row["size"] for row in alarms}), _names(alarms, "drop")
    style = style_of(methods)

    def draw(figure: Any) -> None:
        panels = np.atleast_1d(figure.subplots(1, len(sizes), sharey=True))
        for panel, size in zip(panels, sizes, strict=True):
            panel.axhline(0.05, color=GREY, linewidth=0.8, linestyle="--")
            for place, method in enumerate(methods):
                rows = [row for row in alarms if row["size"] == size and row["method"] == method]
                at = [drops.index(row["drop"]) + _offset(place, len(methods)) for row in rows]
                _points(panel, at, rows, "alarms", style[method], method)
            panel.set_xticks(range(len(drops)), drops, rotation=90)
            panel.set_title(f"{size:,} rows")
        panels[0].set_ylabel("share with an alarm")
        panels[-1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)

    return figure_svg(draw, title, 4.2)


def scatter_chart(frame: pd.DataFrame, title: str, most: int = 6) -> str:
    """Estimated against true accuracy of shifted windows of the largest size, a panel a method."""
    told = frame[(frame["kind"] == "target") & frame["value"].notna()]
    told = told[told["size"] == told["size"].max()]
    methods = _names(told.to_dict("records"), "method")[:most]

    def draw(figure: Any) -> None:
        columns = min(3, len(methods))
        panels = np.atleast_1d(figure.subplots(-(-len(methods) // columns), columns, sharex=True, sharey=True)).ravel()
        for panel in panels[len(methods) :]:
            panel.set_visible(False)
        low = float(min(told["truth"].min(), told["value"].min()))
        for panel, method in zip(panels, methods, strict=False):
            rows = told[told["method"] == method]
            panel.plot([low, 1.0], [low, 1.0], color=GREY, linewidth=0.8)
            panel.scatter(rows["truth"], rows["value"], s=7, color=style_of(methods)[method]["color"], alpha=0.6)
            panel.set_title(method)
            panel.set_xlabel("true accuracy")
        panels[0].set_ylabel("estimated accuracy")

    return figure_svg(draw, title, 2.8 * -(-len(methods) // 3))


def _points(axes: Any, at: Sequence[float], rows: Sequence[dict[str, Any]], name: str, style: Any, label: str) -> None:
    values = np.array([row[name] for row in rows])
    ends = np.array([[row[f"{name}_low"], row[f"{name}_high"]] for row in rows]).reshape(-1, 2)
    reach = np.maximum(0.0, np.stack([values - ends[:, 0], ends[:, 1] - values])) if len(rows) else None
    axes.errorbar(at, values, yerr=reach, linestyle="none", markersize=4, elinewidth=1.0, label=label, **style)


def _offset(place: int, count: int) -> float:
    return SPREAD * ((place + 0.5) / count - 0.5)


def _names(rows: Sequence[dict[str, Any]], name: str) -> list[str]:
    """Distinct, in the order they appear in."""
    return list(dict.fromkeys(row[name] for row in rows))
