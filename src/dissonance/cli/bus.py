"""`dissonance bus`: what each part of the system may do at the broker."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from dissonance.cli.output import emit

app = typer.Typer(help="Who may do what at the broker.", no_args_is_help=True)


class PartAnswer(msgspec.Struct, frozen=True):
    """One part of the system: its public key, where its seed is, and the subjects that it may use."""

    name: str
    public_key: str
    seed_file: str
    publish: list[str]
    subscribe: list[str]
    answers: bool


@app.callback()
def bus() -> None:
    """Who may do what at the broker."""


@app.command()
def permissions(
    keys: Annotated[Path | None, typer.Option(help="Folder of the seeds. Default: `nats` in the key folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the same as JSON.")] = False,
) -> None:
    """Print the users of the broker's configuration: one for each role, with what it needs and no more.

    Seeds that are missing are made, each in a file of its own that only its role should get.
    """
    from dissonance.adapters.clock import SystemRandomness
    from dissonance.adapters.nats.credentials import NATS_KEYS, public_keys, seed_file
    from dissonance.adapters.nats.permissions import allowed, users
    from dissonance.contracts.bus_needs import NEEDS
    from dissonance.settings import read_settings

    folder = read_settings(os.environ).keys_folder / NATS_KEYS if keys is None else keys
    known = public_keys(folder, NEEDS, SystemRandomness())
    parts = []
    for name, needs in NEEDS.items():
        may = allowed(name, needs)
        place = str(seed_file(folder, name))
        parts.append(PartAnswer(name, known[name], place, list(may.publish), list(may.subscribe), may.answers))
    emit(
        parts,
        as_json,
        lambda console: console.print(f"users: [\n{users(NEEDS, known)}\n]", markup=False, soft_wrap=True),
    )
