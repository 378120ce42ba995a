"""The explanation of a drop as a picture. It needs matplotlib, which the rest of the science does not: the extra
`pictures`."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

SHOWN = 12
WIDTH_IN, ROW_IN = 8.0, 0.34
WORSE, BETTER = "#b3423a", "#3a7d5d"


def picture_of_harm(explained: pd.DataFrame) -> Figure:
    """The slices of `Watch.explain` that carry most of the drop, in points of accuracy, and those that speak against
    it."""
    shown = explained.head(SHOWN).iloc[::-1]
    points = 100.0 * shown["carried"].to_numpy(dtype=float)
    names = [f"{column}: {rows}" for column, rows in zip(shown["column"], shown["rows"], strict=True)]
    figure = Figure(figsize=(WIDTH_IN, 1.0 + ROW_IN * len(shown)), layout="constrained")
    axes = figure.subplots()
    axes.barh(range(len(shown)), points, color=[WORSE if value > 0.0 else BETTER for value in points])
    axes.set_yticks(range(len(shown)), names)
    axes.axvline(0.0, color="black", linewidth=0.8)
    axes.set_xlabel("points of accuracy that this slice takes from the window (below 0: gives)")
    axes.set_title("What carries the estimated drop")
    return figure
