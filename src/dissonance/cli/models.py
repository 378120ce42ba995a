"""`dissonance models`: make, register, promote, roll back, list, export, compare models, and what became of them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dissonance.cli.acting import acting_as
from dissonance.cli.connected import on_system, stages
from dissonance.cli.model_diff import diff
from dissonance.cli.model_files import export, register
from dissonance.cli.model_history import at, history
from dissonance.cli.model_moves import emit_moved
from dissonance.cli.options import AsJson, Data, TaskName
from dissonance.cli.output import add_id_column, emit, words
from dissonance.cli.tables import FittingTable
from dissonance.cli.who_answered import who_answered
from dissonance.contracts.standings import CONFIRM_LIMIT_S
from dissonance.contracts.times import to_text
from dissonance.contracts.update_api import RolloutReply, UpdatesReply

if TYPE_CHECKING:
    from dissonance.bootstrap import System
    from dissonance.pipeline.promoted import Promoted
    from dissonance.pipeline.retrain import Retrained
    from dissonance.ports.registry import ModelVersion

app = typer.Typer(
    help="Models of a task: make them, put them into production, take them back, and see what became of them.",
    no_args_is_help=True,
)
app.command()(history)
app.command()(diff)
app.command()(at)
app.command("who-answered")(who_answered)
app.command()(register)
app.command()(export)

Within = Annotated[float, typer.Option(min=0.1, help="Seconds in which every replica is to follow.")]


class RetrainedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `retrain --json` prints. `labels` were learnt from; `golden_*` are accuracies on the golden holdout, of
    the model in production (before) and of the candidate (after), with the candidate's 95 % interval; log loss in
    nats."""

    task: str
    version: int
    critic_version: int
    model_digest: str
    incumbent_version: int
    labels: int
    golden_excluded: int
    erased: int
    golden_rows: int
    golden_before: float
    golden_after: float
    golden_after_low: float
    golden_after_high: float
    log_loss_before: float
    log_loss_after: float
    numbers: dict[str, float]


class ModelLine(msgspec.Struct, frozen=True):
    """What `list --json` prints a list of; `created_at` is RFC 3339; a critic's parent is its proposer."""

    role: str
    version: int
    in_production: bool
    alias: str | None
    parent: int | None
    created_at: str
    digest: str
    metrics: dict[str, float]


@app.command()
def retrain(
    task: TaskName,
    seed: Annotated[int, typer.Option(help="Seed of the fit.")] = 0,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Fit a candidate on the reference rows and all labelled experience; it serves nobody until it is promoted."""
    from dissonance.pipeline.retrain import retrain

    with stages(f"retraining {task}", quiet=as_json) as follow:

        async def work(system: System) -> Retrained:
            return await retrain(system, task, seed=seed, threads=os.cpu_count() or 1, progress=follow)

        answer = retrained_answer(on_system(data, work))
    emit(answer, as_json, retrained_table(answer))


@app.command()
def promote(
    task: TaskName,
    version: Annotated[int | None, typer.Option(help="The proposer's version; the newest when left out.")] = None,
    canary: Annotated[bool, typer.Option(help="Let it answer a share of requests first.")] = False,
    override: Annotated[
        str | None, typer.Option(help="Why it goes live though the gate refuses it; recorded.", metavar="REASON")
    ] = None,
    within: Within = CONFIRM_LIMIT_S,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Put a version and its critic into production, if the gate allows it; it is watched, and taken back if it is
    worse. The exit code is 1 when a replica did not follow in time."""
    from dissonance.pipeline.promotion import promote

    async def work(system: System) -> Promoted:
        return await promote(system, task, version, by=acting_as(), override=override, canary=canary, limit_s=within)

    emit_moved(on_system(data, work), as_json)


@app.command()
def rollback(
    task: TaskName,
    to: Annotated[
        int | None,
        typer.Option(help="Put this version there; else what was promoted last is taken back.", metavar="VERSION"),
    ] = None,
    within: Within = CONFIRM_LIMIT_S,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Take back what was promoted last; while a canary runs, the canary. The same again changes nothing: to go further
    back, name the version.

    Ends when every replica of the proposer answers with the old version. The exit code is 1 when one did not in time.
    """
    from dissonance.pipeline.taking_back import rollback

    async def work(system: System) -> Promoted:
        return await rollback(system, task, to, by=acting_as(), limit_s=within)

    emit_moved(on_system(data, work), as_json, went_back=True, named=to is not None)


@app.command("list")
def list_(task: TaskName, data: Data = None, as_json: AsJson = False) -> None:
    """Versions, newest first, with what is known of them."""
    from dissonance.pipeline.aliases import list_models

    async def work(system: System) -> list[ModelVersion]:
        return await list_models(system, task)

    lines = [model_line(version) for version in on_system(data, work)]
    emit(lines, as_json, models_table(task, lines))


@app.command()
def updates(task: TaskName, data: Data = None, as_json: AsJson = False) -> None:
    """How updates were judged, rule by rule, and what became of them."""

    from dissonance.roles.gate.telling import updates_of

    async def work(system: System) -> UpdatesReply:
        found = await system.store.by_name(task)
        return await updates_of(system.store, found.task_id, task)

    reply = on_system(data, work)
    emit(reply, as_json, lambda console: show_updates(console, reply))


def retrained_answer(retrained: Retrained) -> RetrainedAnswer:
    before, after = retrained.incumbent, retrained.candidate
    return RetrainedAnswer(
        task=retrained.task.name,
        version=retrained.models.proposer.version,
        critic_version=retrained.models.critic.version,
        model_digest=retrained.models.proposer.digest,
        incumbent_version=retrained.incumbent_version,
        labels=retrained.experience_rows,
        golden_excluded=retrained.golden_excluded,
        erased=retrained.erased,
        golden_rows=after.rows,
        golden_before=before.accuracy,
        golden_after=after.accuracy,
        golden_after_low=after.interval.low,
        golden_after_high=after.interval.high,
        log_loss_before=before.log_loss,
        log_loss_after=after.log_loss,
        numbers=retrained.numbers,
    )


def model_line(version: ModelVersion) -> ModelLine:
    return ModelLine(
        role=version.role.value,
        version=version.version,
        in_production=version.in_production,
        alias=alias_of(version),
        parent=version.parent,
        created_at=to_text(version.created_at_us),
        digest=version.digest,
        metrics=version.metrics,
    )


def alias_of(version: ModelVersion) -> str | None:
    """As MLflow shows it: a version may be in production and still carry what it was called before."""
    if version.in_production:
        return "production"
    return None if version.alias is None else version.alias.value


def retrained_table(answer: RetrainedAnswer) -> Table:
    table = Table(
        title=f"Candidate {answer.version} of {answer.task}", caption=f"Next: dissonance models promote {answer.task}"
    )
    table.add_column("on the golden holdout")
    table.add_column(f"version {answer.incumbent_version}", justify="right")
    table.add_column(f"version {answer.version}", justify="right")
    table.add_row("accuracy", f"{answer.golden_before:.4f}", f"{answer.golden_after:.4f}")
    table.add_row("95 % interval", "", f"{answer.golden_after_low:.4f} to {answer.golden_after_high:.4f}")
    table.add_row("log loss, nats", f"{answer.log_loss_before:.4f}", f"{answer.log_loss_after:.4f}")
    table.add_row("labels learnt from", "", str(answer.labels))
    table.add_row("way from the incumbent", "", f"{answer.numbers['step']:.0%}")
    table.add_row("mean KL from the incumbent, nats", "", f"{answer.numbers['kl']:.4f}")
    return table


def show_updates(console: Console, reply: UpdatesReply) -> None:
    if not reply.updates:
        console.print("No update was judged yet.")
    for update in reply.updates:
        said = f"version {update.version}: {update.verdict} by {update.by}, {update.judged_at[:16].replace('T', ' ')}"
        console.print(f"[bold]{escape(said)}[/bold]" + (f" ({escape(update.reason)})" if update.reason else ""))
        for finding in update.findings:
            mark = "[green]holds[/green]" if finding.holds else "[red]fails[/red]"
            console.print(f"  {mark}  {finding.rule}: {escape(finding.what)}")
    for rollout in reply.rollouts:
        console.print(
            f"[bold]rollout of version {rollout.version}[/bold] after {rollout.previous_version}: "
            f"{words(rollout.phase)} since {phase_times(rollout)}; {escape(rollout.reason)}"
        )


def phase_times(rollout: RolloutReply) -> str:
    """When it was decided, and how far event time had come then: that of old rows may lie before the model was made."""
    of_rows = f"event time {rollout.phase_at[:16].replace('T', ' ')}"
    return f"{rollout.decided_at[:16].replace('T', ' ')} ({of_rows})" if rollout.decided_at else of_rows


def models_table(task: str, lines: list[ModelLine]) -> Table:
    table = FittingTable(title=f"Models of {task}")
    for heading in ("role", "version", "alias", "parent", "created at", "golden"):
        table.add_column(heading, overflow="fold")
    add_id_column(table, "digest", (line.digest[:12] for line in lines))
    for line in lines:
        accuracy = line.metrics.get("golden_accuracy")
        table.add_row(
            line.role,
            str(line.version),
            line.alias or "",
            "" if line.parent is None else str(line.parent),
            line.created_at[:16].replace("T", " "),
            "" if accuracy is None else f"{accuracy:.4f}",
            line.digest[:12],
        )
    return table
