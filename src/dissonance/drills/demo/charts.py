"""The figures of the demo's report, as inline SVG that takes its text and grid colours from the page.

Matplotlib's Figure objects on its SVG canvas; pyplot, with its global state, is not used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import matplotlib
import matplotlib.backends.backend_svg
import matplotlib.dates
import matplotlib.figure

from dissonance.contracts.api import WindowReply
from dissonance.contracts.times import to_us
from dissonance.drills.demo.result import Compared, DemoResult
from dissonance.drills.demo.story import FALL, RETURN, STREAM, Span
from dissonance.science.proportions import wilson_interval

plots: Any = matplotlib
"""Half of matplotlib is annotated; as a whole it is not."""

WIDTH, HEIGHT = 8.6, 3.1  # inches
INK, GRID = "#010203", "#040506"
"""Stand for the page's own colours; replaced in the SVG, so that the figure reads in light and dark."""

BLUE, ORANGE, GREEN, PURPLE, GREY = "#3f83c6", "#d9702e", "#2f9e72", "#a367b1", "#8a8f98"
"""Readable on white and on near-black; told apart by the colour-blind too (after Okabe and Ito 2008)."""

REASON_COLOURS = {
    "agreed": GREEN,
    "within_budget": BLUE,
    "dissonance": ORANGE,
    "range": PURPLE,
    "budget": "#c9a227",
    "schema": "#c0504d",
    "erased": GREY,
}
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


def accuracy_chart(result: DemoResult) -> str:
    """Estimated without labels, and realised with its 95 % interval, by window of event time."""

    def draw(axes: Any) -> None:
        windows = result.windows
        axes.plot(_middles(windows), [w.estimated_accuracy for w in windows], color=BLUE, lw=1.8, label="estimated")
        known = [w for w in windows if w.realised_accuracy is not None]
        intervals = [wilson_interval(round((w.realised_accuracy or 0.0) * w.labelled), w.labelled) for w in known]
        axes.fill_between(
            _middles(known), [i.low for i in intervals], [i.high for i in intervals], color=ORANGE, alpha=0.25, lw=0
        )
        axes.plot(_middles(known), [i.estimate for i in intervals], color=ORANGE, lw=1.8, label="realised (95 %)")
        axes.set_ylabel("share of right answers")
        _time_axis(axes, result)

    return _svg(draw, "Estimated and realised accuracy by window of event time")


def doubt_chart(result: DemoResult) -> str:
    """Mean doubt by window, and the share of rows whose dissonance is over the policy's target."""

    def draw(axes: Any) -> None:
        times = _middles(result.windows)
        axes.plot(times, [w.mean_doubt for w in result.windows], color=PURPLE, lw=1.8, label="mean doubt, 1 − c")
        axes.plot(
            times,
            [w.share_over_target for w in result.windows],
            color=GREY,
            lw=1.4,
            ls="-.",
            label="share of rows over D_target",
        )
        axes.set_ylim(bottom=0)
        _time_axis(axes, result)

    return _svg(draw, "Doubt by window of event time")


def dissonance_chart(result: DemoResult) -> str:
    """Mean dissonance by window, with the policy's target."""

    def draw(axes: Any) -> None:
        dissonances = [w.mean_dissonance for w in result.windows]
        axes.plot(_middles(result.windows), dissonances, color=GREEN, lw=1.8, label="mean dissonance, D")
        axes.axhline(result.policy.D_target, color=GREEN, lw=1, ls=":", label="D_target")
        axes.set_ylim(bottom=0)
        _time_axis(axes, result)

    return _svg(draw, "Dissonance by window of event time", 0.75 * HEIGHT)


def verdict_chart(result: DemoResult) -> str:
    """Verdicts of the gate by reason, stacked, by window of event time."""

    def draw(axes: Any) -> None:
        starts = sorted({count.window_start_us for count in result.reasons})
        width_days = 0.9 * result.policy.window_s / 86_400
        bottoms = dict.fromkeys(starts, 0)
        for reason, verdict in sorted({(count.reason, count.verdict) for count in result.reasons}):
            rows = {c.window_start_us: c.rows for c in result.reasons if c.reason == reason}
            axes.bar(
                [_moment(start) for start in starts],
                [rows.get(start, 0) for start in starts],
                bottom=[bottoms[start] for start in starts],
                width=width_days,
                align="edge",
                color=REASON_COLOURS.get(reason, GREY),
                label=f"{verdict}: {reason.replace('_', ' ')}",
            )
            for start in starts:
                bottoms[start] += rows.get(start, 0)
        axes.set_ylabel("rows")
        _time_axis(axes, result)

    return _svg(draw, "Verdicts of the gate by reason and window of event time")


def comparison_chart(compared: Sequence[Compared], old: int, new: int) -> str:
    """Both versions on the same rows, with 95 % intervals."""

    def draw(axes: Any) -> None:
        for shift, colour, label, intervals in (
            (-0.2, GREY, f"version {old}", [c.before for c in compared]),
            (0.2, BLUE, f"version {new}", [c.after for c in compared]),
        ):
            errors = [[i.estimate - i.low for i in intervals], [i.high - i.estimate for i in intervals]]
            places = [index + shift for index in range(len(compared))]
            shares = [i.estimate for i in intervals]
            axes.bar(places, shares, width=0.36, color=colour, label=label)
            axes.errorbar(places, shares, yerr=errors, fmt="none", ecolor=INK, capsize=4, lw=1.2)
            for place, interval in zip(places, intervals, strict=True):
                axes.annotate(
                    f"{interval.estimate:.1%}", (place, interval.high), (0, 4), textcoords="offset points", ha="center"
                )
        axes.set_xticks(range(len(compared)), [f"{c.name}\n({c.rows:,} rows)" for c in compared])
        axes.set_ylim(0, 1)
        axes.set_ylabel("share of right answers")
        axes.grid(axis="x", visible=False)
        axes.legend(loc="upper left", ncols=2)

    return _svg(draw, "Accuracy before and after the update on rows neither version was trained on")


def _time_axis(axes: Any, result: DemoResult) -> None:
    """Event time from left to right, the two stretches shaded, the promotion marked."""
    for span, label in ((FALL, "3 of 4 rows from group quarters"), (RETURN, None)):
        axes.axvspan(_moment(span.start_us), _moment(span.end_us), color=ORANGE, alpha=0.12, lw=0, label=label)
    axes.axvline(_moment(result.update.promoted_at_us), color=INK, lw=1.2, ls="--", label="new version answers")
    margin = Span(STREAM.start_us - STREAM.length_us // 60, STREAM.end_us + STREAM.length_us // 60)
    axes.set_xlim(_moment(margin.start_us), _moment(margin.end_us))
    locator = plots.dates.MonthLocator(bymonth=(1, 4, 7, 10))
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(plots.dates.ConciseDateFormatter(locator))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.22), ncols=4, columnspacing=1.2, handlelength=1.6)


def _svg(draw: Callable[[Any], None], title: str, height: float = HEIGHT) -> str:
    with plots.rc_context(STYLE):
        figure = plots.figure.Figure(figsize=(WIDTH, height), layout="constrained")
        figure.patch.set_alpha(0.0)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0.0)
        draw(axes)
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


def _middles(windows: Sequence[WindowReply]) -> list[datetime]:
    return [_moment((to_us(w.start, "start") + to_us(w.end, "end")) // 2) for w in windows]


def _moment(time_us: int) -> datetime:
    return datetime.fromtimestamp(time_us / 1_000_000, UTC)
