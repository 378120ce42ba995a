"""The figures of the demo's report."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from dissonance.contracts.times import to_us
from dissonance.contracts.window_api import WindowReply
from dissonance.drills.demo.compare import Compared
from dissonance.drills.demo.result import DemoResult
from dissonance.drills.demo.story import FALL, RETURN, STREAM, Span
from dissonance.drills.figures import BLUE, GREEN, GREY, HEIGHT, INK, ORANGE, PURPLE, axes_svg, plots
from dissonance.science.proportions import Interval, wilson_interval

REASON_COLOURS = {
    "agreed": GREEN,
    "within_budget": BLUE,
    "dissonance": ORANGE,
    "range": PURPLE,
    "budget": "#c9a227",
    "schema": "#c0504d",
    "erased": GREY,
    "doubt": "#7a5195",
    "outlier": "#8c564b",
    "burst": "#e377c2",
}
SMOOTHED = 6
"""Windows in a moving mean: one of five days is too small to show a difference of some points by itself."""


def beside_chart(result: DemoResult) -> str:
    """The managed and the frozen model, as they truly were on all rows: moving means over windows of event time."""

    def draw(axes: Any) -> None:
        middles = [_moment(w.start_us + result.policy.window_s * 500_000) for w in result.truth]
        for colour, label, shares in (
            (GREY, "frozen", [w.frozen for w in result.truth]),
            (BLUE, "managed", [w.managed for w in result.truth]),
        ):
            axes.plot(middles, _smooth(shares), color=colour, lw=1.9, label=label)
        axes.set_ylabel("share of right answers")
        _time_axis(axes, result)

    return axes_svg(draw, "Accuracy of the managed and of the frozen model, by event time")


def accuracy_chart(result: DemoResult) -> str:
    """What the system says without labels, what the random check says, and the truth that it does not know."""

    def draw(axes: Any) -> None:
        windows = result.windows
        estimated = _smooth([w.estimated_accuracy for w in windows])
        axes.plot(_middles(windows), estimated, color=BLUE, lw=1.8, label="estimated, no label needed")
        checked = _pooled_checks(windows)
        axes.errorbar(
            [place for place, _ in checked],
            [interval.estimate for _, interval in checked],
            yerr=[
                [interval.estimate - interval.low for _, interval in checked],
                [interval.high - interval.estimate for _, interval in checked],
            ],
            fmt="o",
            ms=3,
            color=ORANGE,
            lw=1,
            label="random check (95 %)",
        )
        middles = [_moment(w.start_us + result.policy.window_s * 500_000) for w in result.truth]
        axes.plot(middles, _smooth([w.managed for w in result.truth]), color=GREY, lw=1.2, ls="--", label="the truth")
        axes.set_ylabel("share of right answers")
        _time_axis(axes, result)

    return axes_svg(draw, "Estimated and checked accuracy of the managed model, by event time")


def label_chart(result: DemoResult) -> str:
    """Labels joined, by window of event time, with what the budget allows."""

    def draw(axes: Any) -> None:
        width_days = 0.9 * result.policy.window_s / 86_400
        starts = [_moment(to_us(w.start, "start")) for w in result.windows]
        labelled = [w.labelled for w in result.windows]
        checked = [w.random_checked for w in result.windows]
        axes.bar(starts, labelled, width=width_days, align="edge", color=BLUE, label="all labels")
        axes.bar(starts, checked, width=width_days, align="edge", color=ORANGE, label="of the random check")
        budget = result.policy.label_budget_per_day * result.policy.window_s / 86_400
        axes.axhline(budget, color=INK, lw=1, ls=":", label="budget")
        axes.set_ylabel("labels of a window")
        _time_axis(axes, result)

    return axes_svg(draw, "Labels bought, by window of event time", 0.75 * HEIGHT)


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

    return axes_svg(draw, "Doubt by window of event time")


def dissonance_chart(result: DemoResult) -> str:
    """Mean dissonance by window, with the policy's target."""

    def draw(axes: Any) -> None:
        dissonances = [w.mean_dissonance for w in result.windows]
        axes.plot(_middles(result.windows), dissonances, color=GREEN, lw=1.8, label="mean dissonance, D")
        axes.axhline(result.policy.D_target, color=GREEN, lw=1, ls=":", label="D_target")
        axes.set_ylim(bottom=0)
        _time_axis(axes, result)

    return axes_svg(draw, "Dissonance by window of event time", 0.75 * HEIGHT)


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

    return axes_svg(draw, "Verdicts of the gate by reason and window of event time")


def comparison_chart(compared: Sequence[Compared]) -> str:
    """Both models on the same rows, by period, with 95 % intervals."""

    def draw(axes: Any) -> None:
        for shift, colour, label, intervals in (
            (-0.2, GREY, "frozen", [c.frozen for c in compared]),
            (0.2, BLUE, "managed", [c.managed for c in compared]),
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
        axes.set_xticks(range(len(compared)), [f"{c.name}\n({c.rows:,} rows)" for c in compared], fontsize=8)
        axes.set_ylim(0.5, 0.95)
        axes.set_ylabel("share of right answers")
        axes.grid(axis="x", visible=False)
        axes.legend(loc="upper left", ncols=2)

    return axes_svg(draw, "Accuracy of the managed and of the frozen model on the same rows")


def _time_axis(axes: Any, result: DemoResult) -> None:
    """Event time from left to right, the two stretches shaded, promotions and the rollback marked."""
    for span, label in ((FALL, "3 of 4 rows from group quarters"), (RETURN, None)):
        axes.axvspan(
            _moment(span.start_us), _moment(span.end_us), color=ORANGE, alpha=0.12, lw=0, label=label, zorder=0
        )
    for number, each in enumerate(result.own_promotions):
        said = None if number else "a new version answers"
        axes.axvline(_moment(each.event_time_us), color=GREEN, lw=1.2, ls="--", label=said)
    axes.axvline(_moment(result.mischief.rolled_back_at_us), color="#c0504d", lw=1.2, ls=":", label="rolled back")
    margin = Span(STREAM.start_us - STREAM.length_us // 60, STREAM.end_us + STREAM.length_us // 60)
    axes.set_xlim(_moment(margin.start_us), _moment(margin.end_us))
    locator = plots.dates.MonthLocator(bymonth=(1, 4, 7, 10))
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(plots.dates.ConciseDateFormatter(locator))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.3), ncols=4, columnspacing=1.2, handlelength=1.6)


def _smooth(values: Sequence[float]) -> list[float]:
    """Centred moving mean over `SMOOTHED` windows, over fewer at the ends."""
    half = SMOOTHED // 2
    spans = [values[max(0, i - half) : i + half + 1] for i in range(len(values))]
    return [sum(span) / len(span) for span in spans]


def _pooled_checks(windows: Sequence[WindowReply]) -> list[tuple[datetime, Interval]]:
    """Accuracy of the random check over twelve windows at a time, in the middle of them."""
    pooled = []
    for start in range(0, len(windows), 2 * SMOOTHED):
        group = windows[start : start + 2 * SMOOTHED]
        checked, right = sum(w.random_checked for w in group), sum(w.random_right for w in group)
        if checked:
            pooled.append((_middles(group)[len(group) // 2], wilson_interval(right, checked)))
    return pooled


def _middles(windows: Sequence[WindowReply]) -> list[datetime]:
    return [_moment((to_us(w.start, "start") + to_us(w.end, "end")) // 2) for w in windows]


def _moment(time_us: int) -> datetime:
    return datetime.fromtimestamp(time_us / 1_000_000, UTC)
