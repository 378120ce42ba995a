"""The soak as a picture, drawn from its record alone: memory of each part above, what waits for each consumer below."""

from __future__ import annotations

import re
from io import StringIO
from typing import Any

import matplotlib
import matplotlib.backends.backend_svg
import matplotlib.figure

from dissonance.drills.records import Raw, Record
from dissonance.drills.soak.gauge import LOAD_GENERATOR

plots: Any = matplotlib
"""Half of matplotlib is annotated; as a whole it is not."""

WIDTH, HEIGHT = 9.0, 6.4  # inches
SERIES = re.compile(r"series_(?P<part>.+)_(?P<what>mib|lag)")
COLOURS = "tab20"
INK, GRID, PAPER = "#24292f", "#d7dade", "#ffffff"
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "dissonance",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.edgecolor": GRID,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": plots.cycler(color=plots.colormaps[COLOURS].colors),
    "grid.color": GRID,
    "legend.frameon": False,
}


def picture(record: Record) -> str:
    """An SVG document. The record is one of `record_of`."""
    memory, lag = series_of(record.raw, "mib"), series_of(record.raw, "lag")
    memory.pop(LOAD_GENERATOR, None)
    with plots.rc_context(STYLE):
        figure = plots.figure.Figure(figsize=(WIDTH, HEIGHT), layout="constrained", facecolor=PAPER)
        above, below = figure.subplots(2, 1, sharex=True)
        rows = [count / 1_000 for count in _numbers(record.raw.get("series_rows"))]
        for axes, found, unit in ((above, memory, "MiB"), (below, lag, "messages that wait")):
            for name, values in sorted(found.items(), key=lambda each: -max(each[1], default=0.0)):
                axes.plot(rows, values, lw=1.3, label=name)
            axes.set_ylabel(unit)
            axes.set_ylim(bottom=0)
            axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=7)
        below.set_xlabel("rows answered, thousands")
        above.set_title(f"{record.name}, {record.when}: {record.verdict.value}", loc="left", color=INK)
        text = StringIO()
        plots.backends.backend_svg.FigureCanvasSVG(figure).print_svg(text, metadata={"Date": None})
    return text.getvalue()


def series_of(raw: dict[str, Raw], what: str) -> dict[str, list[float]]:
    """What was seen at each sample, by part: `mib` of memory, or `lag` in messages.

    >>> series_of({"series_gate_mib": [1.0, 2.0], "series_rows": [1, 2]}, "mib")
    {'gate': [1.0, 2.0]}
    """
    matches = ((SERIES.fullmatch(name), values) for name, values in raw.items())
    return {match["part"]: _numbers(values) for match, values in matches if match and match["what"] == what}


def _numbers(values: Raw) -> list[float]:
    return [float(value) for value in values if value is not None] if isinstance(values, list) else []
