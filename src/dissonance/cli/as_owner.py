"""`--as-owner`, which every command takes: as the account that owns the key folder, though somebody is logged in
(ADR 76)."""

from __future__ import annotations

import os
from typing import Annotated

import typer
from typer._click.core import Command, Parameter  # Typer's copy of Click has no public name for it

from dissonance.cli.acting import account
from dissonance.cli.output import error_console
from dissonance.errors import ConfigurationError, Forbidden
from dissonance.settings import Settings

NAME = "as_owner"
OPTION = "--as-owner"

AsOwner = Annotated[
    bool, typer.Option(OPTION, help="Act as this account, the owner of the key folder, not as who is logged in.")
]


def add_option(command: Command) -> None:
    command.params.append(_option())


def require_owner(settings: Settings) -> None:
    """Say on stderr as whom it goes on. Raises `ConfigurationError` beside a token, which says somebody else, and
    `Forbidden` for an account that owns no keys here."""
    folder = settings.keys_folder
    if settings.token:
        raise ConfigurationError(
            "a token and the owner are two to act as",
            where=f"DISSONANCE_TOKEN, {OPTION}",
            fix=f"unset DISSONANCE_TOKEN, or leave {OPTION} out",
        )
    if folder.is_dir() and not os.access(folder, os.R_OK | os.X_OK):
        raise Forbidden(
            f"'{account()}' does not own the keys", where=str(folder), fix="run it as the account that does, or log in"
        )
    if folder.is_dir():
        said = f"As '{account()}', who owns {folder}, not as anybody who is logged in."
        error_console.print(said, markup=False, soft_wrap=True)


def _option() -> Parameter:
    program = typer.Typer(add_completion=False)

    @program.command()
    def taking(as_owner: AsOwner = False) -> None: ...

    [option] = typer.main.get_command(program).params
    return option
