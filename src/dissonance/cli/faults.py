"""`dissonance drill faults`: hurt every part under load, and say what clients noticed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from dissonance.cli.drilling import DEFAULT_RECORDS, AsJson, Folder, Keys, Records, say, until_sigterm, working_folder
from dissonance.cli.output import emit, progress
from dissonance.cli.signed_record import signing_folder, write_signed

if TYPE_CHECKING:
    from dissonance.drills.faults.run import Options, Outcome
    from dissonance.drills.faults.scene import Fault
    from dissonance.drills.records import Record

FIGURES_WITHOUT_LIMITS = ("failed", "retried", "p50_s", "p99_s", "acknowledged", "stored")


def faults(
    rate: Annotated[float, typer.Option(min=1.0, help="Requests a second, whether or not they are answered.")] = 200.0,
    seconds_per_fault: Annotated[float, typer.Option(min=1.0, help="How long a fault that lasts is held.")] = 4.0,
    requests: Annotated[
        int | None, typer.Option(min=0, help="Go through the faults again until so many were sent. Default: 100,000.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Faults whose name holds this word; may be given again.", metavar="NAME")
    ] = None,
    short: Annotated[bool, typer.Option(help="Four faults, half a minute of load.")] = False,
    names: Annotated[bool, typer.Option("--list", help="Say which faults there are, and do nothing.")] = False,
    faketime: Annotated[Path | None, typer.Option(help="libfaketimeMT.so.1, for clocks that are wrong.")] = None,
    keys: Keys = None,
    records: Records = DEFAULT_RECORDS,
    data: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Kill, stop, slow, cut off, fill, corrupt, flood and restart every part in turn under a steady load. 20 min."""
    from dissonance.drills.faults.plan import chosen, short_campaign, whole_campaign
    from dissonance.drills.faults.record import LEAST_REQUESTS, record_of
    from dissonance.drills.faults.run import Options

    plan = chosen(short_campaign() if short else whole_campaign(), only or [])
    whole = not short and not only
    if names:
        emit([fault.name for fault in plan], as_json, "\n".join(fault.name for fault in plan))
        return
    least = LEAST_REQUESTS if requests is None and whole else requests or 0
    options = Options(rate, seconds_per_fault, least, faketime)
    command = f"dissonance drill faults --rate {rate:g} --seconds-per-fault {seconds_per_fault:g} --requests {least}"
    command += "".join(f" --only '{word}'" for word in only or []) + (" --short" if short else "")
    with working_folder(data) as folder:
        outcome = _run(folder, plan, options, as_json)
        record = record_of(outcome, options, command, whole=whole)
        _finish(record, records, signing_folder(keys, folder / "data"), as_json)


def _run(folder: Path, plan: list[Fault], options: Options, quiet: bool) -> Outcome:
    import uvloop

    from dissonance.drills.faults.run import faults

    with (
        progress("faults", len(plan), quiet=quiet, unit="faults") as tell,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return runner.run(until_sigterm(faults(folder, plan, options, say, tell)))


def _finish(record: Record, records: Path, keys: Path, as_json: bool) -> None:
    from dissonance.drills.faults.picture import picture
    from dissonance.drills.records import Outcome

    path = write_signed(records, record, keys)
    path.with_suffix(".html").write_text(picture(record), encoding="utf-8")
    emit(record, as_json, _tables(record, path))
    raise typer.Exit(0 if record.verdict is Outcome.PASS else 1)


def _tables(record: Record, path: Path) -> RenderableType:
    from dissonance.drills.faults.picture import HEAD, LEGEND, rows

    by_fault = Table(title="Faults", caption=LEGEND, box=SIMPLE, padding=(0, 1, 0, 0))
    for place, heading in enumerate(HEAD):
        by_fault.add_column(heading, justify="right" if place else "left", no_wrap=not place)
    for row in rows(record.raw):
        by_fault.add_row(*map(escape, row))
    whole = Table(title=f"{record.name}: {record.verdict}", caption=f"{path}, signed; picture: {path.stem}.html")
    for heading in ("measured", "value", "limit"):
        whole.add_column(heading)
    for name in dict.fromkeys([*record.limits, *FIGURES_WITHOUT_LIMITS, *_failures(record)]):
        whole.add_row(name, escape(_shown(record.raw.get(name))), record.limits.get(name, ""))
    skipped = zip(
        _texts(record.raw.get("faults_skipped")), _texts(record.raw.get("faults_skipped_because")), strict=True
    )
    return Group(by_fault, whole, *(escape(f"left out: {name}, {why}") for name, why in skipped))


def _failures(record: Record) -> list[str]:
    return [name for name in record.raw if name.startswith("failed_")]


def _texts(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []


def _shown(value: object) -> str:
    return f"{value:,.6g}" if isinstance(value, int | float) else "not measured" if value is None else str(value)
