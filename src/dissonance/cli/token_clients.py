"""`dissonance token client`: programs that get tokens over HTTP, for themselves or for people who log in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from dissonance.cli.acting import acting_as
from dissonance.cli.connected import on_system
from dissonance.cli.lengths import seconds
from dissonance.cli.options import AsJson, Data
from dissonance.cli.output import add_id_column, console, emit
from dissonance.cli.tables import FittingTable
from dissonance.cli.token_tasks import named_tasks
from dissonance.contracts.times import to_text
from dissonance.errors import InputError
from dissonance.security.grants import read_grants

if TYPE_CHECKING:
    from dissonance.bootstrap import System
    from dissonance.roles.login_changing import LoginChanging, MadeClient
    from dissonance.security.oauth_clients import OAuthClient

app = typer.Typer(help="Clients of the local issuer: create, list, remove.", no_args_is_help=True)


class ClientLine(msgspec.Struct, frozen=True, kw_only=True):
    """One client as `list --json` prints it, without its secret. Times are RFC 3339 in UTC; `state` is valid or
    expired; `proof`, how it says that it is itself, is client_secret_basic or private_key_jwt."""

    id: str
    grants: list[str]
    tasks: list[str]
    redirects: list[str]
    created_at: str
    expires_at: str
    by: str
    state: str
    proof: str


class MadeClientLine(ClientLine, frozen=True, kw_only=True):
    """What `create --json` prints; `secret` is shown here and never again; empty of a client that has a key."""

    secret: str


class RemovedClient(msgspec.Struct, frozen=True):
    removed: str


@app.command()
def create(
    name: Annotated[str, typer.Option(help="What the client is called; its id begins so.")],
    grant: Annotated[list[str] | None, typer.Option(help="What its own tokens may do. May be repeated.")] = None,
    task: Annotated[list[str] | None, typer.Option(help="A task they are for, or * for all. May be repeated.")] = None,
    redirect: Annotated[
        list[str] | None, typer.Option(help="Where people who log in for it are sent back to. May be repeated.")
    ] = None,
    lifetime: Annotated[str, typer.Option(help="How long it is valid: a number with s, m, h or d; a year at most.")] = (
        "90d"
    ),
    public_key: Annotated[
        Path | None,
        typer.Option(help="PEM file of its public key (P-256 or Ed25519): it signs, and there is no secret."),
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Make a client and print its id and secret: the secret is shown this once, and only its hash is kept.

    Without --task its own tokens are for every task; a task that there is not is refused.
    """
    key = _public_key(public_key) if public_key is not None else ""

    async def work(system: System) -> MadeClient:
        return await changing_logins(system).make_client(
            name=name,
            grants=grant or [],
            known=read_grants(system.settings.grants),
            tasks=await named_tasks(system.store, task),
            redirects=redirect or [],
            lifetime_s=seconds(lifetime),
            public_key=key,
        )

    made = on_system(data, work)
    if as_json:
        line = client_line(made.client, made.client.created_at_us)
        emit(MadeClientLine(secret=made.secret, **msgspec.structs.asdict(line)), as_json, "")
    else:
        shown = f"secret  {made.secret}" if made.secret else "proof   what it signs (private_key_jwt)"
        console.print(f"id      {made.client.client_id}\n{shown}", markup=False, soft_wrap=True)


@app.command("list")
def list_(data: Data = None, as_json: AsJson = False) -> None:
    """Every client there is, newest first, without its secret."""

    async def work(system: System) -> list[ClientLine]:
        now_us = system.clock.now_us()
        return [client_line(client, now_us) for client in await system.store.oauth_clients()]

    lines = on_system(data, work)
    emit(lines, as_json, clients_table(lines) if lines else "There are no clients.")


@app.command()
def remove(
    client_id: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Forget a client. Its own tokens are refused from now on; those of people who logged in for it stay theirs."""

    async def work(system: System) -> None:
        await changing_logins(system).remove_client(client_id)

    on_system(data, work)
    emit(RemovedClient(client_id), as_json, f"The client [bold]{escape(client_id)}[/bold] is gone, with its tokens.")


def changing_logins(system: System) -> LoginChanging:
    """As the account that runs the command."""
    from dissonance.roles.credential_changing import CredentialChanging
    from dissonance.roles.login_changing import LoginChanging

    by = acting_as()
    credentials = CredentialChanging(system.store, system.bus, system.clock, by=by)
    return LoginChanging(system.store, credentials, system.clock, system.randomness, by=by)


def client_line(client: OAuthClient, now_us: int) -> ClientLine:
    """`now_us`: microseconds since 1970 UTC."""
    return ClientLine(
        id=client.client_id,
        grants=list(client.grants),
        tasks=list(client.tasks),
        redirects=list(client.redirects),
        created_at=to_text(client.created_at_us),
        expires_at=to_text(client.expires_at_us),
        by=client.by,
        state="expired" if client.expires_at_us <= now_us else "valid",
        proof="client_secret_basic" if client.has_secret else "private_key_jwt",
    )


def _public_key(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        raise InputError(
            f"the key cannot be read: {type(error).__name__}", where=str(file), fix="name a PEM file"
        ) from error


def clients_table(lines: list[ClientLine]) -> Table:
    table = FittingTable(title="Clients")
    add_id_column(table, "id", (line.id for line in lines))
    for heading in ("state", "expires", "proof", "grants", "tasks", "sends people back to", "made by"):
        table.add_column(heading, overflow="fold")
    for line in lines:
        expires = line.expires_at[:16].replace("T", " ")
        lists = (" ".join(each) for each in (line.grants, line.tasks, line.redirects))
        table.add_row(*map(escape, (line.id, line.state, expires, line.proof, *lists, line.by)))
    return table
