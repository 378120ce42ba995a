"""The drill as a picture, drawn from its record alone: every way back by command, and the bad promotions."""

from __future__ import annotations

from io import StringIO
from typing import Any

import matplotlib
import matplotlib.backends.backend_svg
import matplotlib.figure
import numpy as np

from dissonance.drills.records import Raw, Record
from dissonance.drills.rollback.moves import AFTER_PROMOTION, CALL, COMMAND
from dissonance.drills.soak.picture import INK, PAPER, STYLE

plots: Any = matplotlib
"""Half of matplotlib is annotated; as a whole it is not."""

WIDTH, HEIGHT = 9.0, 3.6  # inches
NAMES = {CALL: "to a named version", AFTER_PROMOTION: "of a promotion", COMMAND: "as a command, its start included"}


def picture(record: Record) -> str:
    """An SVG document. The record is one of `record_of`."""
    with plots.rc_context(STYLE):
        figure = plots.figure.Figure(figsize=(WIDTH, HEIGHT), layout="constrained", facecolor=PAPER)
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        for how, name in NAMES.items():
            values = np.sort(_numbers(record.raw.get(f"{how}_seen_each_s")))
            left.step(values, np.arange(1, len(values) + 1) / max(1, len(values)), where="post", label=name)
        left.axvline(1.0, color=INK, lw=1, ls=":")
        left.set_xlabel("seconds until every replica answers with the old version")
        left.set_ylabel("share of rollbacks")
        left.set_xlim(left=0)
        left.legend(loc="lower right", fontsize=8)
        taken = {
            name.removesuffix("_taken_back_s"): float(value)
            for name, value in record.raw.items()
            if name.endswith("_taken_back_s") and isinstance(value, int | float)
        }
        right.barh(list(taken), list(taken.values()), height=0.5)
        right.axvline(30.0, color=INK, lw=1, ls=":")
        right.set_xlabel("seconds until it was taken back by itself")
        left.set_title(f"{record.name}, {record.when}: {record.verdict.value}", loc="left", color=INK)
        text = StringIO()
        plots.backends.backend_svg.FigureCanvasSVG(figure).print_svg(text, metadata={"Date": None})
    return text.getvalue()


def _numbers(values: Raw) -> list[float]:
    return [float(value) for value in values if value is not None] if isinstance(values, list) else []
