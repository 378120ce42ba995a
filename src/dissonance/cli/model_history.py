"""`dissonance models history` and `at`: what happened to each version, and which one answered when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console
from rich.markup import escape

from dissonance.cli.connected import on_system
from dissonance.cli.options import AsJson, Data, TaskName
from dissonance.cli.output import emit, words
from dissonance.contracts.counts import counted
from dissonance.contracts.times import to_text, to_us

if TYPE_CHECKING:
    from dissonance.bootstrap import System
    from dissonance.contracts.schema import Task
    from dissonance.decisions.timeline import InForce
    from dissonance.pipeline.model_history import At, VersionHistory


class HappenedLine(msgspec.Struct, frozen=True):
    """`event_time`: how far event time had come, null where nobody noted it. `decision_id`: the proof, or empty."""

    at: str
    event_time: str | None
    what: str
    by: str
    why: str
    decision_id: str


class VersionLines(msgspec.Struct, frozen=True):
    """What `history --json` prints a list of, the newest version first, and what happened to it, oldest first."""

    version: int
    digest: str
    in_production: bool
    happened: list[HappenedLine]


class InForceLine(msgspec.Struct, frozen=True):
    """`canary` answered a `share` of requests, `production` the others; null: there was none."""

    production: int | None
    canary: int | None
    share: float


class AnsweredLine(msgspec.Struct, frozen=True):
    version: int | None
    arm: str
    rows: int


class AtAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `at --json` prints. `by_clock`: as decided up to then by the clock; `by_event_time`: as decided before event
    time had come further. `answered`: the newest stored answers of the hour of event time before, by version (null:
    no longer in the registry) and arm."""

    task: str
    time: str
    by_clock: InForceLine
    by_event_time: InForceLine
    answered: list[AnsweredLine]


def history(task: TaskName, data: Data = None, as_json: AsJson = False) -> None:
    """Versions, newest first, and what happened to each: when, by whom, and why."""
    from dissonance.pipeline.model_history import history

    async def work(system: System) -> tuple[Task, list[VersionHistory]]:
        return await history(system, task)

    _, found = on_system(data, work)
    lines = [version_lines(each) for each in found]
    emit(lines, as_json, lambda console: show_history(console, lines))


def at(
    task: TaskName,
    time: Annotated[str, typer.Argument(metavar="TIME", help="RFC 3339; without an offset UTC.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Which version answered at a time, by the clock and by event time, and which canary beside it.

    Each replica swaps within a moment of a decision: of one answer `dissonance models who-answered` says it exactly.
    """
    from dissonance.pipeline.model_history import at

    time_us = to_us(time, "TIME")

    async def work(system: System) -> At:
        return await at(system, task, time_us)

    answer = at_answer(on_system(data, work), time_us)
    emit(answer, as_json, lambda console: show_at(console, answer))


def version_lines(found: VersionHistory) -> VersionLines:
    return VersionLines(
        found.version.version,
        found.version.digest,
        found.version.in_production,
        [
            HappenedLine(
                to_text(each.at_us),
                None if each.event_time_us is None else to_text(each.event_time_us),
                each.what,
                each.by,
                each.why,
                each.decision_id,
            )
            for each in found.happened
        ],
    )


def at_answer(found: At, time_us: int) -> AtAnswer:
    return AtAnswer(
        task=found.task.name,
        time=to_text(time_us),
        by_clock=_in_force(found.by_clock),
        by_event_time=_in_force(found.by_event_time),
        answered=[AnsweredLine(version, arm, rows) for (version, arm), rows in found.rows.most_common()],
    )


def show_history(console: Console, lines: list[VersionLines]) -> None:
    for each in lines:
        serves = " (in production)" if each.in_production else ""
        console.print(f"[bold]version {each.version}[/bold]{serves}, {each.digest[:12]}")
        for line in each.happened:
            proof = f"  [dim]{line.decision_id[:12]}[/dim]" if line.decision_id else ""
            why = f": {line.why}" if line.why else ""
            said = f"{line.at[:19].replace('T', ' ')}  {words(line.what)}, {line.by}{why}"
            console.print(f"  {escape(said)}{proof}")


def show_at(console: Console, answer: AtAnswer) -> None:
    console.print(f"[bold]{escape(answer.task)} at {answer.time}[/bold]")
    console.print(f"  by the clock: {_words(answer.by_clock)}")
    console.print(f"  by event time: {_words(answer.by_event_time)}")
    for line in answer.answered:
        version = "no longer in the registry" if line.version is None else f"version {line.version}"
        console.print(f"  {counted(line.rows, 'stored answer')} of the hour before, event time: {version} ({line.arm})")


def _in_force(found: InForce) -> InForceLine:
    return InForceLine(found.production, found.canary, found.share)


def _words(line: InForceLine) -> str:
    if line.production is None:
        return "no version"
    canary = "" if line.canary is None else f", and for {line.share:.0%} of requests version {line.canary} as canary"
    return f"version {line.production}{canary}"
