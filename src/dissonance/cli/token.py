"""`dissonance token`: access tokens from the local issuer, whose key is in the key folder; revocations; API keys;
clients."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from dissonance.adapters.looking import is_empty
from dissonance.cli import token_clients, token_keys, token_revocations
from dissonance.cli.acting import lists_tasks
from dissonance.cli.lengths import seconds
from dissonance.cli.options import AsJson, variables_of
from dissonance.cli.output import emit, error_console
from dissonance.cli.token_tasks import warning_of
from dissonance.contracts.times import to_text
from dissonance.errors import DataFolderError, DissonanceError
from dissonance.security.grants import read_grants
from dissonance.security.permissions import ANY_TASK
from dissonance.security.tokens import LocalIssuer, TokenIssuer, public_key_pem
from dissonance.security.verifier import TokenVerifier
from dissonance.settings import Settings, read_settings

app = typer.Typer(help="Access tokens, API keys and clients: create, revoke, list.", no_args_is_help=True)

app.command("revoke")(token_revocations.revoke)
app.command("list")(token_revocations.list_)
app.add_typer(token_keys.app, name="key")
app.add_typer(token_clients.app, name="client")


class IssuedToken(msgspec.Struct, frozen=True):
    """What `--json` prints. `id` is what it is revoked by; `expires_at` is RFC 3339, in UTC."""

    token: str
    id: str
    name: str
    grants: list[str]
    permissions: list[str]
    tasks: list[str]
    expires_at: str


@app.callback()
def token() -> None:
    """Access tokens, API keys and clients: create, revoke, list."""


@app.command()
def create(
    grant: Annotated[list[str], typer.Option(help="What the token may do (dissonance token grants). May be repeated.")],
    task: Annotated[list[str] | None, typer.Option(help="A task it is for, or * for all. May be repeated.")] = None,
    name: Annotated[str, typer.Option(help="Whose token this is; shown in logs.")] = "local",
    lifetime: Annotated[str, typer.Option(help="How long it is valid: a number with s, m, h or d.")] = "1h",
    data: Annotated[str | None, typer.Option(help="The data folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what the token says too, as JSON.")] = False,
) -> None:
    """Make an access token and print it alone, so that TOKEN=$(dissonance token create --grant client) works.

    Without --task it is for every task. A task may be one that is made later: where the engines run, it is said on
    stderr that there is none of this name, since with a misspelt one the token opens nothing.
    """
    settings = read_settings(variables_of(data))
    issued = issue_token(settings, grants=grant, tasks=task or [ANY_TASK], name=name, lifetime_s=seconds(lifetime))
    there_are = _tasks_there_are(settings) if task and lists_tasks() else None
    if there_are is not None and (warning := warning_of(task or [], there_are)):
        error_console.print(f"{warning}.", markup=False, soft_wrap=True)
    typer.echo(msgspec.json.encode(issued).decode() if as_json else issued.token)


def _tasks_there_are(settings: Settings) -> list[str] | None:
    """None where nobody can be asked."""
    from dissonance.adapters.postgres.task_names import task_names
    from dissonance.bootstrap import addresses_of

    try:
        return task_names(addresses_of(settings).database_url)
    except DissonanceError:
        return None


@app.command()
def grants(
    data: Annotated[str | None, typer.Option(help="The data folder.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the grants, and the permissions of each."""
    variables = variables_of(data)
    known = {name: sorted(permissions) for name, permissions in read_grants(read_settings(variables).grants).items()}
    table = Table("grant", "permissions", show_lines=True)
    for name, permissions in known.items():
        table.add_row(name, ", ".join(permissions))
    emit(known, as_json, table)


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
    known = read_grants(settings.grants)
    issuer = TokenIssuer(private_key, **names, clock=clock, randomness=randomness, grants=known)
    text = issuer.issue(grants, subject=name, tasks=tasks, lifetime_s=lifetime_s)
    identity = TokenVerifier([LocalIssuer(public_key_pem(private_key), **names)], clock=clock).verify(text)
    return IssuedToken(
        token=text,
        id=identity.token_id,
        name=name,
        grants=grants,
        permissions=sorted(identity.permissions),
        tasks=tasks,
        expires_at=to_text(identity.expires_at_us),
    )


def require_keys(folder: Path) -> None:
    """Raises `DataFolderError` for a folder without keys: new ones would open nothing."""
    if is_empty(folder):
        raise DataFolderError(
            "there are no keys yet",
            where=str(folder),
            fix="start the system once (dissonance up), or name its data folder with --data",
        )
