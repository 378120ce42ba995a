"""`dissonance labels`: ask, import, export, status."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dissonance.cli.acting import acting_as
from dissonance.cli.connected import on_system
from dissonance.cli.options import AsJson, Data, TaskName, variables_of
from dissonance.cli.output import emit, progress
from dissonance.contracts.counts import counted
from dissonance.contracts.label_api import LeasedRequest, QueueReply
from dissonance.errors import InputError
from dissonance.settings import read_settings

if TYPE_CHECKING:
    from dissonance.bootstrap import System
    from dissonance.pipeline.label_file import LabelFile
    from dissonance.roles.learner.importing import Refused

app = typer.Typer(help="Labels of a task: ask, import, export, status.", no_args_is_help=True)


REFUSED_SHOWN = 20
SECONDS_AN_HOUR = 3_600
MOST_ASKED = 100_000
MOST_EXPORTED = 1_000  # as over HTTP


class AskAnswer(msgspec.Struct, frozen=True):
    """What `ask --json` prints: requests that were not there before."""

    task: str
    asked: int


class RefusedLine(msgspec.Struct, frozen=True):
    line: int
    error: str
    what: str
    fix: str


class ImportAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `import --json` prints. `taken` are durable; `empty` lines had no label; the first refused are named."""

    task: str
    taken: int
    empty: int
    refused: int
    first_refused: list[RefusedLine]


class ExportAnswer(msgspec.Struct, frozen=True):
    """What `export --json` prints when it writes a file."""

    task: str
    requests: int
    file: str


@app.command()
def ask(
    task: TaskName,
    count: Annotated[int, typer.Option(min=1, max=MOST_ASKED, help="How many inputs to ask about.")] = 100,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Ask about the most doubtful of the newest inputs without a label, outside the budget.

    Inputs under the budget are asked about by the learner itself, as they come.
    """

    from dissonance.roles.learner.requests import ask_by_hand

    async def work(system: System) -> AskAnswer:
        return AskAnswer(task, await ask_by_hand(system, await system.store.by_name(task), count))

    answer = on_system(data, work)
    emit(answer, as_json, f"Asked about: {counted(answer.asked, 'more input')} of {escape(task)}.")


@app.command("import")
def import_(
    task: TaskName,
    file: Annotated[Path, typer.Argument(help="Labels: .csv, .parquet, or .jsonl with one JSON object a line.")],
    source: Annotated[str, typer.Option(help="Where the labels come from; kept with them.")] = "import",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Take labels from a file.

    Columns: label (or withdrawn), labelled_at, and prediction_id or data_subject with event_time; others are passed
    over. Importing a file twice changes nothing; a line without labelled_at counts as said now. Exit code 3 when lines
    were refused; the others are taken.
    """
    from dissonance.pipeline.label_file import read_label_file
    from dissonance.roles.learner.importing import Given, import_labels

    read = read_label_file(file, read_settings(variables_of(data)).data_file_bytes)

    async def work(system: System) -> list[Refused]:
        found = await system.store.by_name(task)
        policy = await system.store.policy(found.task_id)
        given = [Given(each.label, each.second_look) for each in read.labels]
        with progress("importing labels", total=len(read.labels), quiet=as_json) as advance:
            return await import_labels(system, found, policy, given, source, advance)

    answer = import_answer(task, read, on_system(data, work))
    emit(answer, as_json, lambda console: show_import(console, answer))
    raise typer.Exit(InputError.exit_code if answer.refused else 0)


@app.command("export")
def export_(
    task: TaskName,
    out: Annotated[
        Path | None, typer.Option(help="File to write, .csv or .jsonl; JSON lines on stdout when left out.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=MOST_EXPORTED, help="At most so many requests.")] = 100,
    hold_hours: Annotated[
        float | None,
        typer.Option(min=0.01, max=10_000.0, help="Hours that nobody else gets them."),
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Take open label requests into a file: fill in its column `label`, then import it.

    The file holds rows of people in plain, readable by you only. What the model answered is not in it.
    """
    from dissonance.pipeline.label_file import write_requests
    from dissonance.roles.learner.requests import lease

    async def work(system: System) -> list[LeasedRequest]:
        found = await system.store.by_name(task)
        policy = await system.store.policy(found.task_id)
        if hold_hours is not None:
            policy = msgspec.structs.replace(policy, label_lease_s=max(1, round(hold_hours * SECONDS_AN_HOUR)))
        return await lease(system, found, policy, count, acting_as())

    if out is None:
        sys.stdout.write(write_requests(on_system(data, work), ""))
        return
    if out.exists():
        raise InputError("the file is there already", where=str(out), fix="name another, or move it away")
    requests = on_system(data, work)
    with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as written:
        written.write(write_requests(requests, out.suffix.lower()))
    answer = ExportAnswer(task, len(requests), str(out))
    emit(
        answer,
        as_json,
        escape(f"{counted(len(requests), 'request is', 'requests are')} in {out}: fill in `label`, then import it."),
    )


@app.command()
def status(task: TaskName, data: Data = None, as_json: AsJson = False) -> None:
    """The queue, the budget, and how many labels there are."""

    from dissonance.roles.learner.requests import queue_status

    async def work(system: System) -> QueueReply:
        found = await system.store.by_name(task)
        return await queue_status(system, found, await system.store.policy(found.task_id))

    reply = on_system(data, work)
    emit(reply, as_json, status_table(reply))


def import_answer(task: str, read: LabelFile, refused: list[Refused]) -> ImportAnswer:
    return ImportAnswer(
        task=task,
        taken=len(read.labels) - len(refused),
        empty=read.empty,
        refused=len(refused),
        first_refused=[
            RefusedLine(read.labels[each.position].line, each.error.slug, each.error.what, each.error.fix)
            for each in refused[:REFUSED_SHOWN]
        ],
    )


def show_import(console: Console, answer: ImportAnswer) -> None:
    empty = f", {counted(answer.empty, 'line')} had none" if answer.empty else ""
    taken = counted(answer.taken, "label is taken", "labels are taken")
    console.print(f"{taken}{empty}; what is taken is joined within moments.")
    for line in answer.first_refused:
        console.print(f"line {line.line}: {line.what}. {line.fix}", style="yellow", markup=False)
    if answer.refused:
        console.print(f"{counted(answer.refused, 'line was', 'lines were')} refused.", style="red")


def status_table(reply: QueueReply) -> Table:
    table = Table(title=f"Labels of {escape(reply.task)}", show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    latest = f"; the latest {reply.latest_label_at}" if reply.latest_label_at else ""
    table.add_row("labels", f"{reply.labels:,}, on {reply.coverage:.1%} of the inputs{latest}")
    table.add_row("may be learnt from", f"{reply.learnable:,}")
    table.add_row("wait for a second look", f"{reply.waiting_for_second_look:,}")
    table.add_row("withdrawn", f"{reply.withdrawn:,}")
    table.add_row("requests", _listed(reply.by_state))
    table.add_row("asked as", _listed(reply.by_reason))
    table.add_row("budget", f"{reply.asked_today} of {reply.budget_per_day} asked on {reply.day or 'no day yet'}")
    return table


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items())
