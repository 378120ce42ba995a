"""`dissonance subjects`: show, export, erase: what there is about one person, and the end of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.markup import escape

from dissonance.cli.acting import acting_as
from dissonance.cli.connected import on_system
from dissonance.cli.options import AsJson, Data
from dissonance.cli.output import emit, emit_json, progress
from dissonance.cli.private_files import private_file
from dissonance.contracts.counts import counted
from dissonance.contracts.erasure import Certificate, LearntModel, RowCounts
from dissonance.contracts.times import to_text

if TYPE_CHECKING:
    from dissonance.bootstrap import System
    from dissonance.pipeline.subjects.about import About, SnapshotFiles
    from dissonance.security.evidence import SignedBundle

app = typer.Typer(help="Data subjects, the people rows are about: show, export, erase.", no_args_is_help=True)

Person = Annotated[str, typer.Argument(metavar="ID", help="Who, as rows name them in the data subject column.")]
TaskName = Annotated[str, typer.Option("--task", metavar="TASK", help="The task's name.")]
File = Annotated[Path | None, typer.Option(help="Write it there as well, as JSON.")]


class SignedCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """`certificate_id`: SHA-256 of its canonical bytes, which the Ed25519 `signature` (hex) is over (ADR 45)."""

    certificate_id: str
    certificate: Certificate
    signature: str
    public_key: str


class ShowAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `show --json` prints. `data_subject`: keyed hash; `certificate`: of its erasure, if it was erased."""

    task: str
    data_subject: str
    rows: RowCounts
    snapshots: dict[str, int]
    models: list[LearntModel]
    windows: list[str]
    certificate: SignedCertificate | None


class ExportAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `export` prints, and writes."""

    task: str
    data_subject: str
    rows: list[dict[str, Any]]


class EraseAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `erase --json` prints. `retrain`: id of the retrain that was asked for."""

    certificate: SignedCertificate
    retrain: str | None


@app.command()
def show(person: Person, task: TaskName, data: Data = None, as_json: AsJson = False) -> None:
    """How many rows there are about a person, where, and which models and windows learnt from them. Opens none."""

    async def work(system: System) -> ShowAnswer:
        from dissonance.pipeline.subjects.erasing import certificate_of

        found = await _about(system, task, person)
        certified = await certificate_of(system, found.subject)
        return ShowAnswer(
            task=task,
            data_subject=found.subject.key.hex(),
            rows=found.counts,
            snapshots={digest: origins.total() for digest, origins in found.snapshots.items()},
            models=found.models,
            windows=found.windows,
            certificate=None if certified is None else signed_certificate(*certified),
        )

    with progress("looking for rows", quiet=as_json):
        answer = on_system(data, work)
    emit(answer, as_json, lambda console: tell_found(console, answer))


@app.command()
def export(person: Person, task: TaskName, file: File = None, data: Data = None, as_json: AsJson = False) -> None:
    """Everything that is stored about a person, opened, as JSON."""

    async def work(system: System) -> ExportAnswer:
        from dissonance.pipeline.subjects.exporting import export_rows

        found = await _about(system, task, person)
        return ExportAnswer(task=task, data_subject=found.subject.key.hex(), rows=await export_rows(system, found))

    with progress("opening rows", quiet=as_json):
        answer = on_system(data, work)
    if file is None:
        emit_json(answer)
        return
    write_json(answer, file)
    emit(answer, as_json, f"{counted(len(answer.rows), 'row is', 'rows are')} in {escape(str(file))}.")


@app.command()
def erase(
    person: Person,
    task: TaskName,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    retrain: Annotated[bool, typer.Option(help="Ask for an update that is trained without the rows.")] = False,
    certificate: Annotated[Path | None, typer.Option(help="Write the signed certificate there, as JSON.")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Destroy a person's key: every row about them becomes unreadable, wherever it rests. Nothing brings it back.

    Prints a signed certificate of what was erased, what remains and why. Again: the same certificate.
    """
    if not yes:
        typer.confirm(f"Erase {person} from {task}? Nothing brings it back.", abort=True, err=True)

    async def work(system: System) -> EraseAnswer:
        from dissonance.bootstrap_databases import erasure_notes
        from dissonance.pipeline.subjects.erasing import ask_for_retrain, erase

        by = acting_as()
        notes = erasure_notes(system.settings)
        certified = await erase(system, _snapshots(system), notes, task, person, by)
        asked = await ask_for_retrain(system, await system.store.by_name(task), by) if retrain else None
        return EraseAnswer(certificate=signed_certificate(*certified), retrain=asked)

    with progress("erasing", quiet=as_json):
        answer = on_system(data, work)
    if certificate is not None:
        write_json(answer.certificate, certificate)
    emit(answer, as_json, lambda console: tell_erased(console, answer))


def signed_certificate(signed: SignedBundle, certificate: Certificate) -> SignedCertificate:
    return SignedCertificate(
        certificate_id=signed.decision_id,
        certificate=certificate,
        signature=signed.signature.hex(),
        public_key=signed.public_key.hex(),
    )


def tell_found(console: Console, answer: ShowAnswer) -> None:
    rows = answer.rows
    console.print(f"[bold]{escape(answer.task)}[/bold], data subject {answer.data_subject}")
    kept = {"input": rows.experience, "label": rows.labels, "label request": rows.label_requests}
    console.print("  " + ", ".join(counted(count, what) for what, count in kept.items()))
    for split, count in rows.reference.items():
        console.print(f"  {counted(count, 'row')} of the data file, part {split}")
    for digest, count in answer.snapshots.items():
        console.print(f"  {counted(count, 'row')} of snapshot {digest}")
    _tell_learnt(console, answer.models, answer.windows)
    if answer.certificate is None:
        console.print("  not erased")
    else:
        _tell_certificate(console, answer.certificate)


def tell_erased(console: Console, answer: EraseAnswer) -> None:
    _tell_certificate(console, answer.certificate)
    found = answer.certificate.certificate
    for what in found.erased:
        console.print(f"  erased: {escape(what)}")
    for each in found.remains:
        console.print(f"  remains: {escape(each.what)}; {escape(each.why)}")
    _tell_learnt(console, list(found.models), list(found.windows))
    if answer.retrain is not None:
        console.print(f"  a retrain was asked for: {answer.retrain}")


def write_json(content: msgspec.Struct, file: Path) -> None:
    """Raises `InputError` where the file cannot be written. Readable by its owner only."""
    with private_file(file) as written:
        written.write(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")


def _tell_learnt(console: Console, models: list[LearntModel], windows: list[str]) -> None:
    for model in models:
        now = ", in production" if model.in_production else ""
        console.print(f"  learnt from them: {model.role} version {model.version} ({model.learnt_from.value}){now}")
    if windows:
        console.print(
            f"  {counted(len(windows), 'window holds', 'windows hold')} them: {escape(', '.join(windows[:5]))}"
            f"{' …' * (len(windows) > 5)}"
        )


def _tell_certificate(console: Console, signed: SignedCertificate) -> None:
    found = signed.certificate
    console.print(f"  [bold]erased {to_text(found.erased_at_us)} by {escape(found.by)}[/bold]")
    console.print(f"  certificate {signed.certificate_id}, signed by {signed.public_key}")


async def _about(system: System, task: str, person: str) -> About:
    from dissonance.pipeline.subjects.about import about, find_subject

    return await about(system, _snapshots(system), await find_subject(system, task, person))


def _snapshots(system: System) -> SnapshotFiles:
    from dissonance.bootstrap_pipeline import snapshot_files

    return snapshot_files(system.settings)
