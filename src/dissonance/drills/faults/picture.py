"""A campaign as a page, drawn from its record alone: success and latency over time, faults marked, and a table."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from dissonance.drills.figures import BLUE, GREY, INK, ORANGE, PURPLE, figure_svg
from dissonance.drills.page import figure, page, prose, section, table
from dissonance.drills.records import Outcome, Raw, Record

HEIGHT = 5.4  # inches
KIND_COLOURS = (BLUE, ORANGE, PURPLE, GREY)
LABELLED_FAULTS = 30
"""With more, names would hide each other; the table has them all."""

PROMISES = (
    ("requests", "requests sent"),
    ("availability", "answered"),
    ("slowest_recovery_s", "slowest recovery, s"),
    ("lost", "acknowledged and lost"),
    ("doubled", "doubled"),
    ("by_hand", "needed a hand"),
)


def picture(record: Record) -> str:
    """An HTML document. The record is one of `record_of`."""
    verdict = "good" if record.verdict is Outcome.PASS else "bad"
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in record.reasons)
    return page(
        "Fault campaign",
        [
            f'<h1>Fault campaign: <span class="{verdict}">{record.verdict}</span></h1>',
            f'<p class="soft">{escape(record.what)}. {escape(record.when)}, {escape(record.machine.cpu)}, '
            f"{record.machine.cores} cores.</p>",
            f"<ul>{reasons}</ul>" if reasons else "",
            _lead(record.raw),
            section(
                "Success and latency over time",
                figure(_chart(record.raw), "Each band is a fault, until all was well again."),
            ),
            section("Faults", table(HEAD, rows(record.raw), set(range(1, len(HEAD)))), prose(LEGEND)),
        ],
    )


HEAD = ("fault", "sent", "failed", "retried", "before", "during", "after", "over", "lost", "doubled")
LEGEND = "before, during, after: p99 of what was answered, in ms; over: seconds until all was well again"


def rows(raw: dict[str, Raw]) -> list[tuple[str, ...]]:
    """What the table shows of each fault, here and on screen.

    >>> rows({"fault_name": ["kill gate"], "fault_sent": [9], "fault_recovered_after_s": [None]})[0][:3]
    ('kill gate', '9', '')
    """
    names = _column(raw, "fault_name")

    def value(name: str, place: int) -> Any:
        column = _column(raw, name)
        return column[place] if place < len(column) else None

    return [
        (
            str(names[place]),
            _whole(value("fault_sent", place)),
            _whole(value("fault_failed", place)),
            _whole(value("fault_retried", place)),
            _milliseconds(value("fault_p99_before_s", place)),
            _milliseconds(value("fault_p99_during_s", place)),
            _milliseconds(value("fault_p99_after_s", place)),
            "not by itself" if value("fault_by_hand", place) else _seconds(value("fault_recovered_after_s", place)),
            _whole(value("fault_lost", place)),
            _whole(value("fault_doubled", place)),
        )
        for place in range(len(names))
    ]


def _lead(raw: dict[str, Raw]) -> str:
    cells = "".join(f"<div><b>{escape(_figure(raw.get(name)))}</b>{escape(what)}</div>" for name, what in PROMISES)
    return f'<div class="lead">{cells}</div>'


def _chart(raw: dict[str, Raw]) -> str:
    succeeded, p50, p99 = (_series(raw, name) for name in ("series_succeeded", "series_p50_s", "series_p99_s"))

    def draw(canvas: Any) -> None:
        above, below = canvas.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": (1, 2)})
        above.step(range(len(succeeded)), [100 * each for each in succeeded], where="post", color=INK, lw=1.0)
        above.set_ylabel("answered, %")
        above.set_ylim(min([99.0, *(100 * each for each in succeeded)]), 100.5)
        below.step(range(len(p99)), [1e3 * each for each in p99], where="post", color=ORANGE, lw=1.0, label="p99")
        below.step(range(len(p50)), [1e3 * each for each in p50], where="post", color=BLUE, lw=1.0, label="p50")
        below.set_yscale("log")
        below.set_ylabel("latency of what was answered, ms")
        below.set_xlabel("seconds")
        below.legend(loc="upper left", ncols=2, fontsize=8)
        _mark(above, below, raw)

    return figure_svg(draw, "Success and latency over time, with faults marked", HEIGHT)


def _mark(above: Any, below: Any, raw: dict[str, Raw]) -> None:
    names, begun = _column(raw, "fault_name"), _column(raw, "fault_begun_s")
    lasted, recovered = _column(raw, "fault_lasted_s"), _column(raw, "fault_recovered_after_s")
    kinds = list(dict.fromkeys(str(name).split()[0] for name in names))
    for name, start_s, held_s, after_s in zip(names, begun, lasted, recovered, strict=True):
        colour = KIND_COLOURS[kinds.index(str(name).split()[0]) % len(KIND_COLOURS)]
        end_s = float(start_s or 0.0) + float(held_s or 0.0) + max(1.0, float(after_s or 0.0))
        for axes in (above, below):
            axes.axvspan(float(start_s or 0.0), end_s, color=colour, alpha=0.18, lw=0)
        if len(names) <= LABELLED_FAULTS:
            above.text(float(start_s or 0.0), 1.02, str(name), rotation=60, fontsize=6, transform=_over(above))


def _over(axes: Any) -> Any:
    """Along the time axis in seconds, upwards in shares of the plot."""
    return axes.get_xaxis_transform()


def _column(raw: dict[str, Raw], name: str) -> Sequence[float | int | str | None]:
    values = raw.get(name)
    return values if isinstance(values, list) else []


def _series(raw: dict[str, Raw], name: str) -> list[float]:
    return [float(value) if isinstance(value, int | float) else float("nan") for value in _column(raw, name)]


def _figure(value: Raw) -> str:
    if isinstance(value, float):
        return f"{value:.3%}" if 0.0 < value < 1.0 else f"{value:.1f}"
    return f"{value:,}" if isinstance(value, int) else "not measured"


def _whole(value: Any) -> str:
    return "" if value is None else f"{value:,}"


def _milliseconds(value: Any) -> str:
    return "" if value is None else f"{1e3 * value:,.0f}"


def _seconds(value: Any) -> str:
    return "" if value is None else f"{value:.1f}"
