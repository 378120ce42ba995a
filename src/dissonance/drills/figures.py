"""Figures as inline SVG that takes its text and grid colours from the page.

Matplotlib's Figure objects on its SVG canvas; pyplot, with its global state, is not used.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from io import StringIO
from typing import Any

import matplotlib
import matplotlib.backends.backend_svg
import matplotlib.dates
import matplotlib.figure

plots: Any = matplotlib
"""Half of matplotlib is annotated; as a whole it is not."""

WIDTH, HEIGHT = 8.6, 3.1  # inches
INK, GRID = "#010203", "#040506"
"""Stand for the page's own colours; replaced in the SVG, so that the figure reads in light and dark."""

BLUE, ORANGE, GREEN, PURPLE, GREY = "#3f83c6", "#d9702e", "#2f9e72", "#a367b1", "#8a8f98"
"""Readable on white and on near-black; told apart by the colour-blind too (after Okabe and Ito 2008)."""

STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "dissonance",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.edgecolor": GRID,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "legend.frameon": False,
}


def axes_svg(draw: Callable[[Any], None], title: str, height: float = HEIGHT) -> str:
    """A figure of one plot: `draw` is given its axes."""

    def draw_figure(figure: Any) -> None:
        draw(figure.add_subplot())

    return figure_svg(draw_figure, title, height)


def figure_svg(draw: Callable[[Any], None], title: str, height: float = HEIGHT) -> str:
    """`draw` is given the figure, to make its plots in."""
    with plots.rc_context(STYLE):
        figure = plots.figure.Figure(figsize=(WIDTH, height), layout="constrained")
        figure.patch.set_alpha(0.0)
        draw(figure)
        for axes in figure.axes:
            axes.patch.set_alpha(0.0)
        text = StringIO()
        plots.backends.backend_svg.FigureCanvasSVG(figure).print_svg(text, metadata={"Date": None})
    return inline_svg(text.getvalue(), title)


def inline_svg(document: str, title: str) -> str:
    """The `<svg>` element alone, scalable, in the page's colours and fonts, with a name for screen readers."""
    body = document[document.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.S)
    body = re.sub(
        r'^<svg [^>]*?viewBox="([^"]*)"[^>]*>', rf'<svg role="img" aria-label="{title}" viewBox="\1">', body, count=1
    )
    body = re.sub(r"font: ([0-9.]+)px [^;\"]*", r"font-size: \1px", body)
    return body.replace(INK, "currentColor").replace(GRID, "var(--grid)")
