"""`dissonance kpis`: what drills and benchmarks measured, from their records (design 6.7)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from dissonance.cli.output import QuietConsole, emit, emit_json, error_console
from dissonance.cli.tables import FittingTable
from dissonance.drills.records import Outcome, Raw, Record, file_of, read_records
from dissonance.drills.signed import Checked, Standing, check_file
from dissonance.errors import InputError


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
    measured: Annotated[
        str | None, typer.Argument(metavar="NAME", help="All figures of this drill or benchmark.", show_default=False)
    ] = None,
    records: Annotated[Path, typer.Option(help="The folder of records.")] = Path("records"),
    every_figure: Annotated[bool, typer.Option("--all", help="All figures of each of them.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Exit with 1 when a latest record fails its limits.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Check the signature of every record instead.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole records as JSON.")] = False,
) -> None:
    """Show the latest record of every drill and benchmark, with its verdict and what falls short.

    The exit code is 0 once they are shown, whatever they say, and 1 when there are none. With `--check` it is 1 when
    one of them fails, with `--verify` when a record is not what was signed.
    """
    if verify:
        _verify(records, as_json)
    latest = _chosen(latest_by_name(read_records(records)), measured)
    if as_json:
        emit_json(latest)
    elif latest:
        details = [_details(kpi, records) for kpi in latest]
        QuietConsole().print(*(details if every_figure or measured else [kpis_table(latest)]))
    else:
        error_console.print(
            f"There are no records in {records.absolute()}. Make some: dissonance drill nothing-lost, "
            "dissonance drill bench-cycle. Or name their folder: dissonance kpis --records DIR",
            markup=False,
            soft_wrap=True,
        )
    failed = check and any(kpi.record.verdict is Outcome.FAIL for kpi in latest)
    raise typer.Exit(1 if failed or not latest else 0)


def _chosen(latest: Sequence[Kpi], name: str | None) -> Sequence[Kpi]:
    """All, or the one of that name. Raises `InputError` when there is none of it."""
    if name is None:
        return latest
    chosen = [kpi for kpi in latest if kpi.record.name == name]
    if not chosen:
        known = ", ".join(kpi.record.name for kpi in latest) or "none"
        raise InputError(f"there is no record of '{name}'", where="NAME", fix=f"these have one: {known}")
    return chosen


def latest_by_name(records: Sequence[Record]) -> list[Kpi]:
    """One `Kpi` a name, in order of name; `records` is oldest first, as `read_records` gives them."""
    count = Counter(record.name for record in records)
    latest = {record.name: record for record in records}
    return [Kpi(latest[name], count[name] - 1) for name in sorted(latest)]


def _verify(folder: Path, as_json: bool) -> NoReturn:
    """Show how every record stands to its signature; 1 when one does not hold."""
    found = [_verified(folder, record) for record in read_records(folder)]
    table = FittingTable(title="Signatures of records")
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


def kpis_table(latest: Sequence[Kpi]) -> Table:
    table = FittingTable(title="Measured, latest of each", caption="All figures of one: dissonance kpis NAME")
    for heading in ("what", "verdict", "when", "what falls short"):
        table.add_column(heading, overflow="fold")
    for kpi in latest:
        record = kpi.record
        table.add_row(record.name, _verdict(record), record.when[:10], escape("\n".join(map(in_words, record.reasons))))
    return table


def in_words(reason: str) -> str:
    """
    >>> in_words("farthest_from_middle is 0.1508262155; it must be at most 0.15")
    'farthest from middle is 0.1508; it must be at most 0.15'
    """
    name, _, said = reason.partition(" ")
    return f"{name.replace('_', ' ')} {re.sub(r'[0-9]+[.][0-9]+', lambda found: _show(float(found[0])), said)}".strip()


def _verdict(record: Record) -> str:
    return "[green]pass[/green]" if record.verdict is Outcome.PASS else "[red]fail[/red]"


def _details(kpi: Kpi, folder: Path) -> Table:
    """All figures of a record, those with a limit first."""
    record = kpi.record
    table = Table(title=f"{record.name}: {record.verdict}", show_header=False)
    table.add_column(style="bold", overflow="fold", ratio=2)
    table.add_column(overflow="fold", ratio=3)
    table.add_row("what", escape(record.what))
    table.add_row("command", escape(record.command))
    table.add_row("verdict", "\n".join([_verdict(record), *map(escape, map(in_words, record.reasons))]))
    table.add_row("measured", escape("\n".join(_provenance(record, kpi.earlier, check_file(file_of(folder, record))))))
    for name in [*record.limits, *(name for name in record.raw if name not in record.limits)]:
        limit = f" ({record.limits[name]})" if name in record.limits else ""
        table.add_row(escape(name.replace("_", " ")), escape(f"{_show(record.raw.get(name))}{limit}"))
    return table


def _show(value: Raw) -> str:
    """Four digits are enough for a fraction in a table; whole numbers stay whole."""
    if value is None:
        return "not measured"
    if isinstance(value, list):
        return ", ".join(map(_show, value))
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
