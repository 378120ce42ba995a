"""`dissonance drill encryption`: send canaries through everything, stop it, and search every byte for them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.box import SIMPLE
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from dissonance.cli.drilling import DEFAULT_RECORDS, AsJson, Folder, Keys, Records, say, working_folder
from dissonance.cli.output import emit, progress
from dissonance.cli.signed_record import signing_folder, write_signed

if TYPE_CHECKING:
    from dissonance.drills.encryption.story import Looked
    from dissonance.drills.records import Record

HEAD = ("channel", "control: rest", "wire", "told", "sealed: rest", "wire")
MOST_SHOWN = 40


def encryption(
    keys: Keys = None,
    records: Records = DEFAULT_RECORDS,
    data: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Canaries through every input, at rest and on the wire: is one readable? And is the search sharp? Ten minutes."""
    from dissonance.drills.encryption.record import record_of
    from dissonance.drills.records import Outcome

    with working_folder(data) as folder:
        record = record_of(*_run(folder, as_json))
        path = write_signed(records, record, signing_folder(keys, folder / "sealed" / "data"))
    emit(record, as_json, _tables(record, path))
    raise typer.Exit(0 if record.verdict is Outcome.PASS else 1)


def _run(folder: Path, quiet: bool) -> tuple[Looked, Looked]:
    from dissonance.drills.encryption.run import encryption_drill

    with progress("encryption", quiet=quiet):
        return asyncio.run(encryption_drill(folder, say))


def _tables(record: Record, path: Path) -> RenderableType:
    from dissonance.drills.encryption.record import table_of

    by_channel = Table(title="How often each canary was found", box=SIMPLE, padding=(0, 1, 0, 0))
    for place, heading in enumerate(HEAD):
        by_channel.add_column(heading, justify="right" if place else "left", no_wrap=not place)
    for row in table_of(record.raw):
        by_channel.add_row(*map(escape, row))
    whole = Table(title=f"{record.name}: {record.verdict}", caption=f"{path}, signed")
    for heading in ("measured", "value", "limit"):
        whole.add_column(heading)
    for name, value in record.raw.items():
        if not isinstance(value, list):
            whole.add_row(name, str(value), record.limits.get(name, ""))
    found = record.raw["found_where"]
    lines = [escape(str(each)) for each in found[:MOST_SHOWN]] if isinstance(found, list) else []
    return Group(by_channel, whole, *lines)
