"""`dissonance token`: access tokens from the local issuer, whose key is in the key folder."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from dissonance.contracts.times import to_text
from dissonance.errors import DataFolderError, InputError
from dissonance.security.permissions import ANY_TASK, GRANTS
from dissonance.security.tokens import TokenIssuer, TokenVerifier, public_key_pem
from dissonance.settings import Settings, read_settings

app = typer.Typer(help="Access tokens for the HTTP API.", no_args_is_help=True)

SECONDS_OF = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class IssuedToken(msgspec.Struct, frozen=True):
    """What `--json` prints. `expires_at` is RFC 3339, in UTC."""

    token: str
    name: str
    grants: list[str]
    permissions: list[str]
    tasks: list[str]
    expires_at: str


@app.callback()
def token() -> None:
    """Access tokens for the HTTP API."""


@app.command()
def create(
    grant: Annotated[list[str], typer.Option(help=f"What the token may do: {', '.join(GRANTS)}. May be repeated.")],
    task: Annotated[list[str] | None, typer.Option(help="A task it is for, or * for all. May be repeated.")] = None,
    name: Annotated[str, typer.Option(help="Whose token this is; shown in logs.")] = "local",
    lifetime: Annotated[str, typer.Option(help="How long it is valid: a number with s, m, h or d.")] = "1h",
    data: Annotated[str | None, typer.Option(help="The data folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what the token says too, as JSON.")] = False,
) -> None:
    """Make an access token and print it alone, so that TOKEN=$(dissonance token create --grant client) works.

    Without --task it is for every task.
    """
    variables = dict(os.environ) if data is None else {**os.environ, "DISSONANCE_DATA": data}
    issued = issue_token(
        read_settings(variables), grants=grant, tasks=task or [ANY_TASK], name=name, lifetime_s=seconds(lifetime)
    )
    typer.echo(msgspec.json.encode(issued).decode() if as_json else issued.token)


def issue_token(settings: Settings, *, grants: list[str], tasks: list[str], name: str, lifetime_s: int) -> IssuedToken:
    """A token signed with the issuer's key of `settings.keys_folder`.

    Raises `DataFolderError` when there are no keys yet (a token of new keys would open nothing), `InputError` for an
    unknown grant or a lifetime out of range.
    """
    from dissonance.adapters.clock import SystemClock, SystemRandomness  # late: other commands need no keys
    from dissonance.bootstrap_keys import open_key_folder

    require_keys(settings.keys_folder)
    clock, randomness = SystemClock(), SystemRandomness()
    private_key = open_key_folder(settings, randomness).issuer_private_key_pem
    names = {"issuer": settings.token_issuer, "audience": settings.token_audience}
    issuer = TokenIssuer(private_key, **names, clock=clock, randomness=randomness)
    text = issuer.issue(grants, subject=name, tasks=tasks, lifetime_s=lifetime_s)
    identity = TokenVerifier(public_key_pem(private_key), **names, clock=clock).verify(text)
    return IssuedToken(
        token=text,
        name=name,
        grants=grants,
        permissions=sorted(identity.permissions),
        tasks=tasks,
        expires_at=to_text(identity.expires_at_us),
    )


def require_keys(folder: Path) -> None:
    """Raises `DataFolderError` for a folder without keys: new ones would open nothing."""
    if not folder.is_dir() or not any(folder.iterdir()):
        raise DataFolderError(
            "there are no keys yet",
            where=str(folder),
            fix="start the system once (dissonance up), or name its data folder with --data",
        )


def seconds(text: str) -> int:
    """
    >>> seconds("90s"), seconds("1h"), seconds("30d")
    (90, 3600, 2592000)
    """
    match = re.fullmatch(r"([0-9]{1,9})([smhd])", text.strip())
    if match is None:
        raise InputError(
            f"'{text}' is not a length of time", where="--lifetime", fix="write it like 90s, 15m, 1h or 7d"
        )
    return int(match.group(1)) * SECONDS_OF[match.group(2)]
