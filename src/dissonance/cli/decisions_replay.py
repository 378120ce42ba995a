"""`dissonance decisions replay`: decide again from the bundles alone, as it was or under another policy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console
from rich.markup import escape

from dissonance.cli.connected import on_system
from dissonance.cli.options import AsJson, Data, TaskName
from dissonance.cli.output import add_id_column, emit, progress, words
from dissonance.cli.policy_file import read_policy_file
from dissonance.cli.tables import FittingTable
from dissonance.contracts.counts import counted
from dissonance.contracts.policy import Policy
from dissonance.contracts.times import to_text
from dissonance.decisions.policy_changes import Value, with_values

if TYPE_CHECKING:
    from dissonance.bootstrap import System
    from dissonance.contracts.schema import Task
    from dissonance.pipeline.verifying import DecidedAgain

NOT_AS_RECORDED = 1
"""Exit code when a decision does not come out again, to the byte, under its own policy."""

OTHERWISE = 8
"""Exit code when the other policy would have decided otherwise."""


class ReplayedLine(msgspec.Struct, frozen=True, kw_only=True):
    """`now` is null where nothing would have been decided yet; `same`: to the byte; `computed`: by rules, and not by a
    person; `rules` fail in one of both only."""

    decision_id: str
    link: int
    decided_at: str
    version: int
    recorded: str
    now: str | None
    same: bool
    computed: bool
    rules: list[str]
    why: str


class DecisionsReplayed(msgspec.Struct, frozen=True, kw_only=True):
    """What `decisions replay --json` prints. `policy`: the values put in place of recorded ones; `differing`: decisions
    that are not the same to the byte, or with another policy would have been others."""

    task: str
    policy: dict[str, Value]
    decisions: list[ReplayedLine]
    differing: int


def replay(
    task: TaskName,
    policy: Annotated[Path | None, typer.Option(help="Values of another policy, as .json or .toml.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Only of this kind; may be repeated.")] = None,
    version: Annotated[int | None, typer.Option(help="Only about this version.")] = None,
    start: Annotated[str | None, typer.Option("--from", metavar="TIME", help="Decided from then on, RFC 3339.")] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Decided before then.")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Decide again from each signed bundle alone: no model, row or key is looked at, and nothing is changed.

    Under its own policy every decision must come out the same to the byte; exit code 1 when one does not. With
    --policy: what that would have decided at the same moments, on the same numbers; exit code 8 when any differs.
    """
    from dissonance.pipeline.verifying import replay_decisions
    from dissonance.roles.gate.decisions import wanted

    values = {} if policy is None else read_policy_file(policy, dict[str, Value])
    with_values(Policy(), values)  # tells of a misspelt value before anything is read
    asked = wanted(kind or [], version, start, end)

    async def work(system: System) -> tuple[Task, list[DecidedAgain]]:
        with progress("deciding again", quiet=as_json):
            return await replay_decisions(system, task, lambda recorded: with_values(recorded, values), asked)

    answer = replayed_answer(*on_system(data, work), values)
    emit(answer, as_json, lambda console: show_replayed(console, answer))
    raise typer.Exit(0 if not answer.differing else OTHERWISE if values else NOT_AS_RECORDED)


def replayed_answer(task: Task, again: list[DecidedAgain], values: dict[str, Value]) -> DecisionsReplayed:
    lines = [_line(each) for each in again]
    differing = [each.compared.is_decided_otherwise if values else not each.compared.is_same for each in again]
    return DecisionsReplayed(task=task.name, policy=values, decisions=lines, differing=sum(differing))


def _line(each: DecidedAgain) -> ReplayedLine:
    recorded, now = each.compared.recorded, each.compared.now
    return ReplayedLine(
        decision_id=each.decision_id,
        link=each.link,
        decided_at=to_text(each.bundle.decided_at_us),
        version=each.bundle.candidate.version,
        recorded=each.bundle.kind.value,
        now=None if now.kind is None else now.kind.value,
        same=each.compared.is_same,
        computed=each.compared.computed,
        rules=list(each.compared.rules),
        why=now.why if now.why != recorded.why else "",
    )


def show_replayed(console: Console, answer: DecisionsReplayed) -> None:
    under = ", ".join(f"{name}={value}" for name, value in sorted(answer.policy.items())) or "as recorded"
    table = FittingTable(
        title=escape(f"{counted(len(answer.decisions), 'decision')} on {answer.task} made again, policy {under}")
    )
    add_id_column(table, "id", (line.decision_id[:12] for line in answer.decisions))
    for heading in ("decided at", "version", "was"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "version" else "left")
    for heading in ("would be" if answer.policy else "is", "rules that differ"):
        table.add_column(heading, overflow="fold")
    for line in answer.decisions:
        table.add_row(
            line.decision_id[:12],
            line.decided_at[:16].replace("T", " "),
            str(line.version),
            _was(line),
            _now(line),
            ", ".join(line.rules) or escape(line.why),
            style=None if line.same else "yellow",
        )
    console.print(table)
    colour = "yellow" if answer.differing else "green"
    said = (
        counted(answer.differing, "would have been decided otherwise", "would have been decided otherwise")
        if answer.policy
        else counted(answer.differing, "does not come out as recorded", "do not come out as recorded")
    )
    console.print(f"[{colour}]{said}.[/{colour}]")


def _was(line: ReplayedLine) -> str:
    return words(line.recorded) + ("" if line.computed else " (by hand)")


def _now(line: ReplayedLine) -> str:
    """What a person decided stays what it was."""
    if not line.computed:
        return _was(line)
    return "nothing yet" if line.now is None else words(line.now)
