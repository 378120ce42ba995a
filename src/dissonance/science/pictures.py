"""What a drop is explained by, and how a model errs, as pictures. It needs matplotlib, which the rest of the science
does not: the extra `pictures`."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from dissonance.science.arrays import Classes
from dissonance.science.metrics import Reliability

SHOWN = 12
WIDTH_IN, ROW_IN, SQUARE_IN = 8.0, 0.34, 4.5
DOTS_PER_IN = 100
LARGEST_POINT = 200.0
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


def picture_of_reliability(found: Reliability) -> Figure:
    """Share right against confidence, a bin a point as large as it has rows: on the diagonal a model knows how right it
    is."""
    figure = Figure(figsize=(SQUARE_IN, SQUARE_IN), layout="constrained")
    axes = figure.subplots()
    axes.plot([0.0, 1.0], [0.0, 1.0], color="black", linewidth=0.8)
    there = found.rows > 0
    size = LARGEST_POINT * found.rows[there] / max(1, int(found.rows.max()))
    axes.scatter(found.confidence[there], found.right[there], s=size, color=BETTER)
    axes.set_xlabel("confidence")
    axes.set_ylabel("share right")
    axes.set_title(f"Reliability on {int(found.rows.sum())} golden rows")
    return figure


def picture_of_confusion(counts: Classes, names: Sequence[str]) -> Figure:
    """`counts` (k, k): rows by true class and answer; shaded by their share of the true class."""
    figure = Figure(figsize=(SQUARE_IN, SQUARE_IN), layout="constrained")
    axes = figure.subplots()
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    axes.imshow(shares, cmap="Greens", vmin=0.0, vmax=1.0)
    for (row, column), count in np.ndenumerate(counts):
        axes.text(column, row, str(count), ha="center", va="center")
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("answer")
    axes.set_ylabel("true class")
    axes.set_title(f"{int(counts.sum())} golden rows")
    return figure


def as_png(figure: Figure) -> bytes:
    """The same figure gives the same bytes: no time, no version of the software in it."""
    written = BytesIO()
    figure.savefig(written, format="png", dpi=DOTS_PER_IN, metadata={"Software": None})
    return written.getvalue()
