"""`dissonance kpis`: what drills and benchmarks measured, from their records (design 6.7)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dissonance.cli.output import emit_json, error_console
from dissonance.drills.records import Outcome, Raw, Record, read_records

FIGURES_WITHOUT_LIMITS = 4
"""A record that states no limit shows this many of its numbers; all of them are in the file and in `--json`."""


class Kpi(msgspec.Struct, frozen=True):
    """What `--json` prints a list of: the latest record of a name, and how many earlier ones there are."""

    record: Record
    earlier: int


def kpis(
    records: Annotated[Path, typer.Option(help="The folder of records.")] = Path("records"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole records as JSON.")] = False,
) -> None:
    """Show the latest record of every drill and benchmark, with its verdict.

    The exit code is 0 when there are records and all of them pass, else 1.
    """
    latest = latest_by_name(read_records(records))
    if as_json:
        emit_json(latest)
    elif latest:
        Console().print(_table(latest))
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


def _table(latest: Sequence[Kpi]) -> Table:
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
            escape("\n".join(_provenance(record, kpi.earlier))),
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


def _provenance(record: Record, earlier: int) -> list[str]:
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
    return lines + ([f"{earlier} earlier"] if earlier else [])
