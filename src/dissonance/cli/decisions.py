"""`dissonance decisions`: list, show, verify, replay: what was decided about models, and whether it can be proven."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dissonance.cli.chain_words import BROKEN, chain_words
from dissonance.cli.connected import on_system
from dissonance.cli.decisions_replay import replay
from dissonance.cli.options import AsJson, Data, TaskName
from dissonance.cli.output import add_id_column, emit, share_done
from dissonance.cli.private_files import private_file
from dissonance.cli.tables import FittingTable
from dissonance.contracts.counts import counted
from dissonance.contracts.decision_api import DecisionLine, DecisionReply, DecisionsReply

if TYPE_CHECKING:
    from dissonance.bootstrap import System
    from dissonance.pipeline.verifying import Verified

app = typer.Typer(help="Decisions on models: list, show, verify, replay.", no_args_is_help=True)


class VerifyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `verify --json` prints. `fault`, `link` and `what` name the first thing that is broken."""

    task: str
    holds: bool
    links: int
    decisions: int
    anchors: int
    fault: str | None
    link: int | None
    what: str | None


@app.command("list")
def list_(
    task: TaskName,
    kind: Annotated[list[str] | None, typer.Option(help="Only of this kind; may be repeated.")] = None,
    version: Annotated[int | None, typer.Option(help="Only about this version.")] = None,
    start: Annotated[str | None, typer.Option("--from", metavar="TIME", help="Decided from then on, RFC 3339.")] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Decided before then.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """What was decided, newest first: by whom, and why."""
    from dissonance.roles.gate.decisions import decision_line, wanted

    asked = wanted(kind or [], version, start, end)

    async def work(system: System) -> DecisionsReply:
        task_id = (await system.store.by_name(task)).task_id
        found = await system.store.decisions(task_id, asked, limit)
        return DecisionsReply(task, [decision_line(kept) for kept in found])

    reply = on_system(data, work)
    emit(reply, as_json, decisions_table(reply) if reply.decisions else "Nothing was decided.")


@app.command()
def show(
    task: TaskName,
    decision_id: Annotated[str, typer.Argument(help="Its id, or the first digits.")],
    file: Annotated[Path | None, typer.Option(help="Write it there as well, with its signature, as JSON.")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """One decision with all that it rests on."""
    from dissonance.roles.gate.decisions import decision_reply, find_decision

    async def work(system: System) -> DecisionReply:
        kept = await find_decision(system.store, await system.store.by_name(task), decision_id)
        return decision_reply(task, kept, system.artefact_keys.verification)

    reply = on_system(data, work)
    if file is not None:
        export(reply, file)
    emit(reply, as_json, lambda console: show_decision(console, reply))


@app.command()
def verify(task: TaskName, data: Data = None, as_json: AsJson = False) -> None:
    """Verify every signature, every link of the hash chain, the anchors outside the database and the golden rows.

    Exit code 1 when something does not hold; the first such thing is named.
    """
    from dissonance.pipeline.verifying import verify_decisions

    async def work(system: System) -> Verified:
        with share_done("verifying", quiet=as_json) as follow:
            return await verify_decisions(system, task, follow)

    answer = verify_answer(on_system(data, work))
    emit(answer, as_json, verified_words(answer))
    raise typer.Exit(0 if answer.holds else BROKEN)


app.command()(replay)


def verify_answer(verified: Verified) -> VerifyAnswer:
    broken = verified.broken
    return VerifyAnswer(
        task=verified.task.name,
        holds=broken is None,
        links=verified.links,
        decisions=verified.decisions,
        anchors=verified.anchors,
        fault=None if broken is None else broken.fault.value,
        link=None if broken is None or not broken.link else broken.link,
        what=None if broken is None else broken.what,
    )


def verified_words(answer: VerifyAnswer) -> str:
    links, decisions = counted(answer.links, "link"), counted(answer.decisions, "decision")
    seen = f"{links}, {decisions} and {counted(answer.anchors, 'anchor')} of {answer.task}"
    return chain_words(answer.fault, answer.what, seen)


def export(reply: DecisionReply, file: Path) -> None:
    """Raises `InputError` where the file cannot be written."""
    with private_file(file) as written:
        written.write(msgspec.json.format(msgspec.json.encode(reply), indent=2) + b"\n")


def decisions_table(reply: DecisionsReply) -> Table:
    table = FittingTable(
        title=f"Decisions on {reply.task}", caption=f"More of one: dissonance decisions show {reply.task} ID"
    )
    add_id_column(table, "id", (line.decision_id[:12] for line in reply.decisions))
    for heading in ("decided at", "what", "version"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "version" else "left")
    for heading in ("by", "why"):
        table.add_column(heading, overflow="fold")
    for line in reply.decisions:
        before = "" if line.previous_version is None else f" (after {line.previous_version})"
        table.add_row(
            line.decision_id[:12],
            _minute(line.decided_at),
            line.kind.replace("_", " "),
            f"{line.version}{before}",
            escape(line.by),
            escape(line.reason),
        )
    return table


def show_decision(console: Console, reply: DecisionReply) -> None:
    line, bundle = reply.decision, reply.bundle
    console.print(_head(line, signed=reply.signed))
    judgement, step = bundle.get("judgement"), bundle.get("step") or {}
    for finding in judgement["findings"] if judgement else ():
        mark = "[green]holds[/green]" if finding["holds"] else "[red]fails[/red]"
        console.print(f"  {mark}  {finding['rule']}: {escape(finding['what'])}")
    for name in ("paired", "believed", "behaved"):
        if rests_on := step.get(name):
            console.print(f"  {name}: {escape(msgspec.json.encode(rests_on).decode())}")
    for name, digest in sorted(bundle["digests"].items()):
        console.print(f"  {name.replace('_', ' ')}: {digest}")
    for name in ("candidate", "incumbent"):
        if model := bundle[name]:
            bom = f", ML-BOM {model['ml_bom']}" if model["ml_bom"] else ""
            console.print(f"  {name}: version {model['version']}, {model['digest']}{bom}")
    console.print(f"  policy {line.policy_version}: {bundle['policy_digest']}; release {escape(bundle['release'])}")
    console.print(f"  link {line.link}; follows from {line.parent or 'nothing'}")


def _head(line: DecisionLine, *, signed: bool) -> str:
    mark = "[green]signed[/green]" if signed else "[red]signature does not hold[/red]"
    said = f"version {line.version}: {line.kind.replace('_', ' ')} by {line.by}, {_minute(line.decided_at)}"
    then = f"in production then: version {line.production}; event time {_minute(line.event_time)}"
    why = f"\n  {escape(line.reason)}" if line.reason else ""
    return f"[bold]{escape(said)}[/bold] ({mark})\n  {line.decision_id}{why}\n  {then}"


def _minute(time: str) -> str:
    return time[:16].replace("T", " ")
