"""The demo in the terminal: a live panel where there is one, plain lines where there is none; the table at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dissonance.contracts.times import to_us
from dissonance.contracts.updates import RolloutPhase
from dissonance.contracts.window_api import WindowReply
from dissonance.drills.demo.progress import Progress
from dissonance.drills.demo.result import DemoResult
from dissonance.drills.demo.story import FALL, RETURN, STREAM
from dissonance.drills.demo.updates import canaries_words, refused_words, went_live

REFRESH_S = 0.25
LINE_EVERY_S = 5.0
NOTES_SHOWN = 7
EVERY = 6  # windows to a character
CHECKED = 12  # windows whose random check is told
LEGEND = (
    "day of the stream: model in production, canary beside it; accuracy as",
    "estimated without labels (as a random check of labels says); labels",
    "bought, of those that the budget would have paid for until then",
)
BARS = "▁▂▃▄▅▆▇█"
GIB = 2**30


async def show_live(progress: Progress, console: Console) -> None:
    """Redraw until cancelled."""
    with Live(_panel(progress), console=console, refresh_per_second=8, transient=True) as live:
        while True:
            await asyncio.sleep(REFRESH_S)
            live.update(_panel(progress))


async def show_plain(progress: Progress, console: Console) -> None:
    """A line for whatever happened and one every few seconds of streaming, until cancelled."""
    shown, lines = 0, StreamLines()
    with suppress(asyncio.CancelledError):
        while True:
            await asyncio.sleep(REFRESH_S)
            shown = _print_notes(progress, console, shown)
            for line in lines.due(progress):
                _line(console, progress.elapsed_s, line)
    _print_notes(progress, console, shown)


class StreamLines:
    """What there is to say of the stream every few seconds: where it is, or once why it stands still."""

    def __init__(self) -> None:
        self._last_s = 0.0
        self._rows = 0
        self._told: set[str] = set()  # of why it stands still now

    def due(self, progress: Progress) -> list[str]:
        """The first time with what its figures are."""
        if not 0 < progress.rows_sent < progress.rows_total or progress.elapsed_s - self._last_s < LINE_EVERY_S:
            return []
        self._last_s = progress.elapsed_s
        first, moved = not self._rows, progress.rows_sent != self._rows
        self._rows = progress.rows_sent
        if moved:
            self._told.clear()
            return [*(LEGEND if first else ()), stream_line(progress)]
        news = progress.waiting_for - self._told
        self._told |= news
        return [f"the stream waits: {why}" for why in sorted(news)]


def stream_line(progress: Progress) -> str:
    """Where the stream is, in one line that fits beside the seconds on 80 columns; `LEGEND` says what is what."""
    parts = [f"{_day(progress.event_time_us)}: {_models(progress)}"]
    if progress.windows:
        parts.append(f"accuracy {progress.windows[-1].estimated_accuracy:.2f}{_checked(progress)}")
    parts.append(f"labels {progress.labels_joined:,} of {budget_so_far(progress):,}")
    return "; ".join(parts)


def _models(progress: Progress) -> str:
    """What is in production, and what answers a share of the rows beside it."""
    canary = "" if progress.canary_version is None else f", canary v{progress.canary_version}"
    return f"v{progress.model_version}{canary}"


def _checked(progress: Progress) -> str:
    checked = progress.windows[-CHECKED:]
    rows, right = sum(w.random_checked for w in checked), sum(w.random_right for w in checked)
    return f" ({right / rows:.2f})" if rows else ""


def budget_so_far(progress: Progress) -> int:
    """Labels that the policy would have paid for up to where the stream is."""
    days = max(0, progress.event_time_us - STREAM.start_us) // 86_400_000_000
    return days * progress.policy.label_budget_per_day


def sparkline(values: Sequence[float | None], low: float, high: float) -> str:
    """One character a value between `low` and `high`; a dot where there is none.

    >>> sparkline([0.0, 0.5, 1.0, None], 0.0, 1.0)
    '▁▅█·'
    """
    width = max(high - low, 1e-9)
    steps = [None if value is None else min(1.0, max(0.0, (value - low) / width)) for value in values]
    return "".join("·" if step is None else BARS[round(step * (len(BARS) - 1) + 1e-9)] for step in steps)


def end_table(result: DemoResult) -> RenderableType:
    """Events in = events accounted for; managed beside frozen; what the loop did; labels; times; where to look."""
    accounting, labels = result.accounting, result.labels
    table = Table(title="What the demo showed", show_header=False, title_justify="left", padding=(0, 1))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("events in", f"{accounting.acknowledged:,} predictions acknowledged, each with an id")
    table.add_row("accounted for", _accounted(result))
    table.add_row("noticed", _noticed(result))
    table.add_row(
        "labels",
        f"{labels.bought:,} bought for {labels.rows:,} inputs, {labels.budget:,} would have been paid for; "
        f"{sum(labels.asked.values()) - labels.bought:,} second looks",
    )
    own = result.own_promotions
    table.add_row(
        "updates",
        went_live(len(own)) + "".join(f", version {each.version} on {_day(each.event_time_us)}" for each in own),
    )
    table.add_row("canaries", canaries_words(result.updates))
    table.add_row("refused", escape(refused_words(result.updates, result.mischief.version)))
    table.add_row("taken back", escape(_taken_back(result)))
    for compared in result.compared:
        table.add_row(
            compared.name,
            f"frozen {compared.frozen.estimate:.1%}, managed [bold]{compared.managed.estimate:.1%}[/bold], "
            f"{_points(compared.gain.estimate)} points (95 %: {_points(compared.gain.low)} to "
            f"{_points(compared.gain.high)}) on {compared.rows:,} rows",
        )
    table.add_row(
        "penalty",
        f"weight of the dissonance penalty, λ: {result.policy.lambda_in_force:g} at the end, at most "
        f"{result.policy.lambda_max:g}",
    )
    table.add_row(
        "time",
        f"{result.seconds:.0f} s from the first step until everything was stopped, {result.stream_seconds:.0f} s of it "
        "streaming",
    )
    memory = ", ".join(f"{name} {size / GIB:.2f}" for name, size in result.memory_bytes.items())
    table.add_row("memory", f"{sum(result.memory_bytes.values()) / GIB:.2f} GiB ({memory})")
    table.add_row("report", escape(result.report))
    table.add_row("look further", _further(result))
    return table


def _taken_back(result: DemoResult) -> str:
    """The version that was forced through, and updates that went live and did not last."""
    mischief = result.mischief
    others = [
        f"version {each.version}: {each.reason}"
        for each in result.updates
        if each.phase == RolloutPhase.ROLLED_BACK and each.version != mischief.version
    ]
    return "; ".join([f"version {mischief.version}, forced through: {mischief.rollback}", *others])


def _noticed(result: DemoResult) -> str:
    if result.harm is None:
        return "[red]that accuracy fell was not noticed[/red]"
    harm = result.harm
    days = (harm.noticed_us - harm.stretch_start_us) / 86_400_000_000
    return (
        f"{days:.0f} days into the stretch, without labels: accuracy estimated at {harm.estimated_accuracy:.1%}, "
        f"before {harm.reference_accuracy:.1%} ({harm.labels_of_window} labels of that window were known)"
    )


def _accounted(result: DemoResult) -> str:
    accounting = result.accounting
    text = (
        f"{accounting.admitted:,} admitted + {accounting.blocked:,} blocked "
        f"+ {accounting.dead_lettered:,} dead-lettered"
    )
    if accounting.balanced:
        return f"[green]{text} = {accounting.acknowledged:,}, to the last one[/green]"
    return (
        f"[red]{text}; {accounting.missing:,} missing, {accounting.unexpected:,} unexpected, "
        f"{accounting.labels_sent - accounting.labels_joined:,} labels not joined[/red]"
    )


def _further(result: DemoResult) -> str:
    if not result.data_folder:
        return "dissonance demo --keep keeps the data folder, and says here which --data to give to dissonance up"
    data = f"--data {escape(result.data_folder)}"
    return (
        f"dissonance up {data}\n"
        "starts PostgreSQL, NATS and MLflow on it again and prints their addresses; MLflow's page shows the models. "
        f"Beside it, each with the same --data: dissonance run all, dissonance task show {result.task}, "
        f"dissonance models list {result.task}"
    )


def _panel(progress: Progress) -> RenderableType:
    counts = Table.grid(padding=(0, 3))
    counts.add_row(
        f"event time [bold]{_day(progress.event_time_us)}[/bold]",
        f"model [bold]{_models(progress)}[/bold]" if progress.model_version else "",
        f"labels bought [bold]{progress.labels_joined:,}[/bold] of {budget_so_far(progress):,}",
    )
    counts.add_row(
        f"answered [bold]{progress.acknowledged:,}[/bold]",
        f"admitted [green]{progress.admitted:,}[/green], blocked [yellow]{progress.blocked:,}[/yellow]",
        f"weight of the penalty, λ [bold]{progress.policy.lambda_in_force:g}[/bold]",
    )
    notes = [
        Text(f"{note.elapsed_s:4.0f} s  {note.text}", style="dim" if age else "bold")
        for age, note in enumerate(reversed(progress.notes[-NOTES_SHOWN:]))
    ]
    bar = Table.grid(expand=True)
    bar.add_row(ProgressBar(total=progress.rows_total, completed=progress.rows_sent))
    legend = Text.assemble(
        "one character for 30 days; ",
        ("red", "red"),
        ": 3 of 4 rows from group quarters; ",
        ("green", "green"),
        ": a new version answers",
        style="dim",
    )
    body = Group(bar, counts, Text(), _plots(progress), legend, Text(), *reversed(notes))
    return Panel(body, title=f"dissonance demo · {progress.elapsed_s:.0f} s · {progress.step}", title_align="left")


def _plots(progress: Progress) -> Table:
    """A line for each figure, coloured as the legend says; its latest value and its scale after it."""
    windows = progress.windows[::EVERY]
    table = Table.grid(padding=(0, 2))
    accuracies = [w.realised_accuracy for w in windows if w.realised_accuracy is not None]
    accuracies += [w.estimated_accuracy for w in windows]
    low, high = (min(accuracies), max(accuracies)) if accuracies else (0.0, 1.0)
    doubts = [w.mean_doubt for w in windows]
    for name, values, bounds in (
        ("doubt", doubts, (min(doubts, default=0.0), max(doubts, default=1.0))),
        ("accuracy, estimated", [w.estimated_accuracy for w in windows], (low, high)),
        ("accuracy, realised", [w.realised_accuracy for w in windows], (low, high)),
    ):
        line = Text()
        for window, character in zip(windows, sparkline(values, *bounds), strict=True):
            line.append(character, style=_style(window, progress.promoted_at_us))
        latest = next((value for value in reversed(values) if value is not None), None)
        table.add_row(
            name, line, "" if latest is None else f"{latest:.3f}", f"[dim]{bounds[0]:.2f}–{bounds[1]:.2f}[/dim]"
        )
    return table


def _style(window: WindowReply, promoted_at_us: int | None) -> str:
    middle_us = (to_us(window.start, "start") + to_us(window.end, "end")) // 2
    if any(span.start_us <= middle_us < span.end_us for span in (FALL, RETURN)):
        return "red"
    return "green" if promoted_at_us is not None and middle_us >= promoted_at_us else "cyan"


def _print_notes(progress: Progress, console: Console, shown: int) -> int:
    for note in progress.notes[shown:]:
        _line(console, note.elapsed_s, note.text)
    return len(progress.notes)


def _line(console: Console, elapsed_s: float, text: str) -> None:
    console.print(f"{elapsed_s:4.0f} s  {text}", markup=False, highlight=False, soft_wrap=True)


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"


def _day(time_us: int) -> str:
    return datetime.fromtimestamp(time_us / 1e6, UTC).date().isoformat() if time_us else "–"
