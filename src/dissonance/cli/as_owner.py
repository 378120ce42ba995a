"""`--as-owner`, which every command takes: as the account, which may read the keys, though somebody is logged in
(ADR 76)."""

from __future__ import annotations

from pathlib import Path
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
    bool, typer.Option(OPTION, help="Act as this account, which may read the keys, not as who is logged in.")
]


def add_option(command: Command) -> None:
    command.params.append(_option())


def require_owner(settings: Settings) -> None:
    """Say on stderr as whom it goes on. Raises `ConfigurationError` beside a token, which says somebody else, and
    `Forbidden` for an account that may not read the root key."""
    folder = settings.keys_folder
    if settings.token:
        raise ConfigurationError(
            "a token and the owner are two to act as",
            where=f"DISSONANCE_TOKEN, {OPTION}",
            fix=f"unset DISSONANCE_TOKEN, or leave {OPTION} out",
        )
    reads = f", who may read the keys in {folder}" if _reads_root_key(folder) else ""
    error_console.print(f"As '{account()}'{reads}, not as anybody who is logged in.", markup=False, soft_wrap=True)


def _reads_root_key(folder: Path) -> bool:
    """False where there is none yet: the folder may be open to an account to which the files in it are not."""
    from dissonance.adapters.keys.folder import KEY_ENCRYPTION

    path = folder / KEY_ENCRYPTION
    try:
        path.open("rb").close()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise Forbidden(
            f"'{account()}' may not read the keys: {error.strerror or error}",
            where=str(path),
            fix="run it as the account that may, or log in",
        ) from error
    return True


def _option() -> Parameter:
    program = typer.Typer(add_completion=False)

    @program.command()
    def taking(as_owner: AsOwner = False) -> None: ...

    [option] = typer.main.get_command(program).params
    return option
