"""`dissonance kpis`: what drills and benchmarks measured, from their records (design 6.7)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from dissonance.cli.output import QuietConsole, emit, emit_json, error_console
from dissonance.drills.records import Outcome, Raw, Record, file_of, read_records
from dissonance.drills.signed import Checked, Standing, check_file

FIGURES_WITHOUT_LIMITS = 4
"""A record that states no limit shows this many of its numbers; all of them are in the file and in `--json`."""


class Verified(msgspec.Struct, frozen=True):
    """What `--verify --json` prints a list of."""

    record: str
    standing: Standing
    public_key: str


class Kpi(msgspec.Struct, frozen=True):
    """What `--json` prints a list of: the latest record of a name, and how many earlier ones there are."""

    record: Record
    earlier: int


def kpis(
    records: Annotated[Path, typer.Option(help="The folder of records.")] = Path("records"),
    verify: Annotated[bool, typer.Option("--verify", help="Check the signature of every record instead.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole records as JSON.")] = False,
) -> None:
    """Show the latest record of every drill and benchmark, with its verdict.

    The exit code is 0 when there are records and all of them pass, else 1. With `--verify` it is 1 when a record
    is not what was signed.
    """
    if verify:
        _verify(records, as_json)
    latest = latest_by_name(read_records(records))
    if as_json:
        emit_json(latest)
    elif latest:
        QuietConsole().print(_table(latest, records))
    else:
        error_console.print(
            f"There are no records in {records.absolute()}. Make some: dissonance drill nothing-lost, "
            "dissonance drill bench-cycle. Or name their folder: dissonance kpis --records DIR",
            markup=False,
            soft_wrap=True,
        )
    raise typer.Exit(0 if latest and all(kpi.record.verdict is Outcome.PASS for kpi in latest) else 1)


def latest_by_name(records: Sequence[Record]) -> list[Kpi]:
    """One `Kpi` a name, in order of name; `records` is oldest first, as `read_records` gives them."""
    count = Counter(record.name for record in records)
    latest = {record.name: record for record in records}
    return [Kpi(latest[name], count[name] - 1) for name in sorted(latest)]


def _verify(folder: Path, as_json: bool) -> NoReturn:
    """Show how every record stands to its signature; 1 when one does not hold."""
    found = [_verified(folder, record) for record in read_records(folder)]
    table = Table(title="Signatures of records")
    for heading in ("record", "signature", "by the key"):
        table.add_column(heading, overflow="fold")
    for each in found:
        colour = "red" if each.standing is Standing.BROKEN else "green" if each.standing is Standing.HOLDS else "dim"
        table.add_row(escape(each.record), f"[{colour}]{each.standing}[/{colour}]", each.public_key)
    emit(found, as_json, table)
    raise typer.Exit(1 if any(each.standing is Standing.BROKEN for each in found) else 0)


def _verified(folder: Path, record: Record) -> Verified:
    path = file_of(folder, record)
    checked = check_file(path)
    return Verified(path.name, checked.standing, checked.public_key)


def _table(latest: Sequence[Kpi], folder: Path) -> Table:
    table = Table(title="Measured, latest of each", caption="Raw numbers: dissonance kpis --json", show_lines=True)
    for heading in ("what", "verdict", "figures", "measured on"):
        table.add_column(heading, overflow="fold")
    for kpi in latest:
        record = kpi.record
        passed = record.verdict is Outcome.PASS
        table.add_row(
            f"[bold]{escape(record.name)}[/bold]\n{escape(record.what)}\n[dim]{escape(record.command)}[/dim]",
            "[green]pass[/green]" if passed else f"[red]fail[/red]\n{escape(chr(10).join(record.reasons))}",
            escape("\n".join(_figures(record))),
            escape("\n".join(_provenance(record, kpi.earlier, check_file(file_of(folder, record))))),
        )
    return table


def _figures(record: Record) -> list[str]:
    """The numbers that the verdict rests on, each with its limit; without limits the first few numbers."""
    names = list(record.limits) or list(record.raw)[:FIGURES_WITHOUT_LIMITS]
    return [
        f"{name} {_show(record.raw.get(name))}" + (f" ({record.limits[name]})" if name in record.limits else "")
        for name in names
    ]


def _show(value: Raw) -> str:
    """Four digits are enough for a fraction in a table; whole numbers stay whole."""
    if value is None:
        return "not measured"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 and not value.is_integer() else f"{value:.0f}"
    return str(value)


def _provenance(record: Record, earlier: int, signature: Checked) -> list[str]:
    machine = record.machine
    commit = ""
    if record.commit:
        digits, _, changed = record.commit.partition("+")
        commit = f" ({digits[:10]}{' with changes' if changed else ''})"
    lines = [
        record.when,
        f"version {record.version}{commit}",
        f"{machine.cores} cores, {machine.memory_bytes / 2**30:.1f} GiB, {machine.cpu}",
    ]
    if signature.standing is not Standing.UNSIGNED:
        lines.append(f"{signature.standing}: {signature.public_key[:16]}")
    return lines + ([f"{earlier} earlier"] if earlier else [])
