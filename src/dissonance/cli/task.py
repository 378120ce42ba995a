"""`dissonance task`: prediction problems are created from a labelled data file, shown, and deleted."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from dissonance.cli.acting import acting_as
from dissonance.cli.connected import on_system, stages
from dissonance.cli.options import AsJson, Data
from dissonance.cli.output import add_id_column, emit
from dissonance.cli.policy_file import read_policy_file
from dissonance.cli.tables import FittingTable
from dissonance.contracts.counts import counted
from dissonance.contracts.policy import Policy
from dissonance.contracts.schema import Task
from dissonance.contracts.times import to_text
from dissonance.errors import InputError

if TYPE_CHECKING:
    from dissonance.bootstrap import System
    from dissonance.pipeline.create_task import CreatedTask
    from dissonance.pipeline.golden import RefreshedGolden

app = typer.Typer(help="Prediction problems: create, list, show, delete.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The task's name.")]


class TaskCreatedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `create --json` prints. Accuracies in [0, 1]; log loss in nats; thresholds are total variation."""

    task: str
    task_id: str
    classes: list[bool | int | float | str]
    features: int
    train_rows: int
    critic_rows: int
    golden_rows: int
    golden_twins: int
    golden_accuracy: float
    golden_accuracy_low: float
    golden_accuracy_high: float
    golden_log_loss: float
    d_target: float
    max_dissonance: float
    model_version: int
    critic_version: int
    model_digest: str
    critic_digest: str


class GoldenAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `golden --json` prints: rows that are golden now, rows that were, and rows of the file that were left out
    since the system knew them, or those that they are about."""

    task: str
    golden_rows: int
    retired_rows: int
    left_out: int
    decision_id: str


class TaskLine(msgspec.Struct, frozen=True):
    """What `list --json` prints a list of; `created_at` is RFC 3339."""

    task: str
    task_id: str
    target: str
    classes: int
    features: int
    created_at: str


class TaskShown(msgspec.Struct, frozen=True, kw_only=True):
    """What `show --json` prints. `stored` inputs are admitted + blocked."""

    task: Task
    policy: Policy
    admitted: int
    blocked: int
    labelled: int


@app.command()
def create(
    name: Name,
    data: Annotated[Path, typer.Option(help="Labelled rows: a .parquet or .csv file.")],
    target: Annotated[str, typer.Option(help="The column to predict.")],
    time: Annotated[str | None, typer.Option(help="The column with the event time.")] = None,
    subject: Annotated[str | None, typer.Option(help="The column that says which person a row is about.")] = None,
    policy: Annotated[Path | None, typer.Option(help="Limits, as .json or .toml; see the policy's defaults.")] = None,
    categorical: Annotated[
        list[str] | None, typer.Option(help="A column to read as category; may be repeated.")
    ] = None,
    numeric: Annotated[list[str] | None, typer.Option(help="A column to read as number; may be repeated.")] = None,
    seed: Annotated[int, typer.Option(help="The same file and seed give the same split and model.")] = 0,
    folder: Data = None,
    as_json: AsJson = False,
) -> None:
    """Infer the schema, set the golden holdout aside, fit proposer and critic, and put them into production."""
    from dissonance.pipeline.create_task import Columns, create_task

    limits = read_policy_file(policy, Policy) if policy is not None else None
    columns = Columns(target, time, subject, tuple(categorical or ()), tuple(numeric or ()))
    with stages(f"creating {name}", quiet=as_json) as follow:

        async def work(system: System) -> CreatedTask:
            return await create_task(
                system,
                name=name,
                data=data,
                columns=columns,
                policy=limits,
                seed=seed,
                threads=os.cpu_count() or 1,
                most_bytes=system.settings.data_file_bytes,
                progress=follow,
            )

        answer = created_answer(on_system(folder, work))
    emit(answer, as_json, created_table(answer))


@app.command()
def golden(
    name: Name,
    data: Annotated[Path, typer.Option(help="Labelled rows that no model has seen: a .parquet or .csv file.")],
    reason: Annotated[str, typer.Option(help="Why; recorded.")] = "",
    folder: Data = None,
    as_json: AsJson = False,
) -> None:
    """Give a task a fresh golden holdout; the one before is retired, and stays out of training for ever."""
    from dissonance.pipeline.golden import refresh_golden

    with stages(f"refreshing the golden holdout of {name}", quiet=as_json) as follow:

        async def work(system: System) -> RefreshedGolden:
            return await refresh_golden(
                system,
                name,
                data,
                by=acting_as(),
                reason=reason or "a fresh holdout",
                most_bytes=system.settings.data_file_bytes,
                progress=follow,
            )

        answer = golden_answer(on_system(folder, work))
    emit(answer, as_json, golden_table(answer))


def golden_answer(refreshed: RefreshedGolden) -> GoldenAnswer:
    return GoldenAnswer(
        task=refreshed.task.name,
        golden_rows=refreshed.rows,
        retired_rows=refreshed.retired,
        left_out=refreshed.left_out,
        decision_id=refreshed.decision_id,
    )


def golden_table(answer: GoldenAnswer) -> Table:
    table = Table(title=f"Golden holdout of {escape(answer.task)}", show_header=False)
    table.add_row("rows", f"{answer.golden_rows:,}, looked at by nobody")
    table.add_row("retired", f"{answer.retired_rows:,}")
    table.add_row("left out", f"{answer.left_out:,}, known to the system")
    table.add_row("decision", answer.decision_id[:12])
    return table


@app.command("list")
def list_(data: Data = None, as_json: AsJson = False) -> None:
    """Every task there is."""

    async def work(system: System) -> list[Task]:
        return await system.store.all()

    lines = [task_line(task) for task in on_system(data, work)]
    emit(lines, as_json, list_table(lines) if lines else "There are no tasks yet: dissonance task create NAME …")


@app.command()
def show(name: Name, data: Data = None, as_json: AsJson = False) -> None:
    """Schema, policy in force, and how many inputs are stored."""

    async def work(system: System) -> TaskShown:
        task = await system.store.by_name(name)
        counts = await system.store.counts(task.task_id)
        return TaskShown(
            task=task,
            policy=await system.store.policy(task.task_id),
            admitted=counts.admitted,
            blocked=counts.blocked,
            labelled=counts.labelled,
        )

    shown = on_system(data, work)
    emit(shown, as_json, shown_table(shown))


@app.command()
def delete(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Destroy the task's keys, and with them every row of it wherever it rests; then its models and the task."""
    from dissonance.bootstrap_pipeline import forget
    from dissonance.pipeline.delete_task import delete_task

    if not yes:
        if as_json:
            raise InputError("deleting is not confirmed", where="--yes", fix="add --yes")
        look = partial(on_system, data, lambda system: system.store.by_name(name))
        make_sure(name, look, partial(typer.confirm, abort=True))

    async def work(system: System) -> Task:
        task = await delete_task(system, name)
        forget(system.settings, task.task_id)
        return task

    task = on_system(data, work)
    emit({"deleted": task.name, "task_id": task.task_id}, as_json, f"Deleted: {escape(task.name)}")


def make_sure(name: str, look: Callable[[], object], ask: Callable[[str], object]) -> None:
    """Nobody is asked about a task that there is not: `look` raises `UnknownTask` first."""
    look()
    ask(f"Delete '{name}' with all its rows and models, for good?")


def created_answer(created: CreatedTask) -> TaskCreatedAnswer:
    task, golden = created.task, created.golden
    return TaskCreatedAnswer(
        task=task.name,
        task_id=task.task_id,
        classes=list(task.classes),
        features=len(task.schema.features),
        train_rows=created.train_rows,
        critic_rows=created.critic_rows,
        golden_rows=golden.rows,
        golden_twins=created.twins,
        golden_accuracy=golden.accuracy,
        golden_accuracy_low=golden.interval.low,
        golden_accuracy_high=golden.interval.high,
        golden_log_loss=golden.log_loss,
        d_target=created.policy.D_target,
        max_dissonance=created.policy.max_dissonance,
        model_version=created.models.proposer.version,
        critic_version=created.models.critic.version,
        model_digest=created.models.proposer.digest,
        critic_digest=created.models.critic.digest,
    )


def task_line(task: Task) -> TaskLine:
    created_at = to_text(task.created_at_us)
    return TaskLine(task.name, task.task_id, task.target, len(task.classes), len(task.schema.features), created_at)


def created_table(answer: TaskCreatedAnswer) -> Table:
    table = _facts(f"Created: {answer.task}")
    table.add_row("rows", f"{answer.train_rows} train, {answer.critic_rows} critic, {answer.golden_rows} golden")
    table.add_row("golden rows with a feature twin in train", str(answer.golden_twins))
    interval = f"{answer.golden_accuracy_low:.4f} to {answer.golden_accuracy_high:.4f}"
    table.add_row("accuracy on the golden holdout", f"{answer.golden_accuracy:.4f} ({interval})")
    table.add_row("log loss there", f"{answer.golden_log_loss:.4f} nats")
    table.add_row("D_target, max_dissonance", f"{answer.d_target:.4f}, {answer.max_dissonance:.4f}")
    table.add_row("in production", f"proposer {answer.model_version}, critic {answer.critic_version}")
    return table


def list_table(lines: list[TaskLine]) -> Table:
    table = FittingTable(title="Tasks")
    for heading in ("task", "target", "size", "created at"):
        table.add_column(heading, overflow="fold")
    add_id_column(table, "id", (line.task_id for line in lines))
    for line in lines:
        cells = (
            line.task,
            line.target,
            f"{counted(line.classes, 'class', 'classes')}, {counted(line.features, 'feature')}",
            line.created_at[:16].replace("T", " "),
            line.task_id,
        )
        table.add_row(*map(escape, cells))
    return table


def shown_table(shown: TaskShown) -> Table:
    task = shown.task
    table = _facts(f"Task: {task.name}")
    table.add_row("id", task.task_id)
    table.add_row("target", escape(f"{task.target}: {', '.join(repr(each) for each in task.classes)}"))
    table.add_row("created at", to_text(task.created_at_us))
    table.add_row("event time, data subject", f"{task.time_column or '(arrival)'}, {task.data_subject_column or '-'}")
    for feature in task.schema.features:
        values = (
            counted(len(feature.categories), "category", "categories")
            if feature.categories
            else f"{feature.minimum:g}–{feature.maximum:g}"
        )
        missing = ", may be missing" if feature.missing_allowed else ""
        table.add_row(escape(feature.name), f"{feature.kind}, {values}{missing}")
    for name in Policy.__struct_fields__:
        table.add_row(f"policy {name}", str(getattr(shown.policy, name)))
    table.add_row("inputs", f"{shown.admitted} admitted, {shown.blocked} blocked, {shown.labelled} labelled")
    return table


def _facts(title: str) -> Table:
    table = Table(title=title, show_header=False)
    table.add_column(style="bold", overflow="fold")
    table.add_column(overflow="fold")
    return table
