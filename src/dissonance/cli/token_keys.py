"""`dissonance token key`: API keys for programs that cannot fetch tokens: create, list, revoke."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from dissonance.cli.acting import acting_as
from dissonance.cli.connected import on_system
from dissonance.cli.lengths import seconds
from dissonance.cli.options import AsJson, Data
from dissonance.cli.output import add_id_column, emit
from dissonance.cli.tables import FittingTable
from dissonance.cli.token_revocations import Reason, revocation_line
from dissonance.cli.token_tasks import named_tasks
from dissonance.contracts.times import to_text
from dissonance.security.grants import read_grants
from dissonance.security.revocations import REMEMBERED_US, CredentialList, Revocation

if TYPE_CHECKING:
    from dissonance.bootstrap import System
    from dissonance.roles.credential_changing import MadeKey
    from dissonance.security.api_keys import ApiKey

app = typer.Typer(help="API keys: create, list, revoke.", no_args_is_help=True)


class KeyLine(msgspec.Struct, frozen=True, kw_only=True):
    """One key as `list --json` prints it, never its secret. Times are RFC 3339 in UTC; `state` is valid, expired or
    revoked."""

    id: str
    name: str
    permissions: list[str]
    tasks: list[str]
    created_at: str
    expires_at: str
    by: str
    state: str


class MadeLine(KeyLine, frozen=True, kw_only=True):
    """What `create --json` prints; `key` is shown here and never again."""

    key: str


@app.command()
def create(
    grant: Annotated[list[str], typer.Option(help="What the key may do, as `token grants` lists it. May be repeated.")],
    name: Annotated[str, typer.Option(help="Whose key this is; shown in logs.")],
    task: Annotated[list[str] | None, typer.Option(help="A task it is for, or * for all. May be repeated.")] = None,
    lifetime: Annotated[str, typer.Option(help="How long it is valid: a number with s, m, h or d; a year at most.")] = (
        "90d"
    ),
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Make an API key and print it alone: it is shown this once, and only its hash is kept.

    Without --task it is for every task; a task that there is not is refused.
    """

    async def work(system: System) -> MadeKey:
        from dissonance.roles.credential_changing import CredentialChanging

        changing = CredentialChanging(system.store, system.bus, system.clock, by=acting_as())
        return await changing.make_api_key(
            system.randomness,
            grants=grant,
            known=read_grants(system.settings.grants),
            name=name,
            tasks=await named_tasks(system.store, task),
            lifetime_s=seconds(lifetime),
        )

    made = on_system(data, work)
    line = MadeLine(
        key=made.text, **msgspec.structs.asdict(key_line(made.key, CredentialList(), made.key.created_at_us))
    )
    if as_json:
        emit(line, as_json, "")
    else:
        typer.echo(made.text)


@app.command("list")
def list_(data: Data = None, as_json: AsJson = False) -> None:
    """Every key that was made, newest first, without its secret."""

    async def work(system: System) -> list[KeyLine]:
        now_us = system.clock.now_us()
        keys = await system.store.api_keys()
        listed = CredentialList(await system.store.revocations(now_us - REMEMBERED_US))
        return [key_line(key, listed, now_us) for key in keys]

    lines = on_system(data, work)
    emit(lines, as_json, keys_table(lines) if lines else "There are no API keys.")


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it; it is in the key after `dsk_`.")],
    reason: Reason = "",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Refuse a key from now on."""

    async def work(system: System) -> Revocation:
        from dissonance.roles.credential_changing import CredentialChanging

        changing = CredentialChanging(system.store, system.bus, system.clock, by=acting_as())
        return await changing.revoke_api_key(key_id, reason)

    line = revocation_line(on_system(data, work))
    emit(line, as_json, f"The key [bold]{escape(line.value)}[/bold] is refused from now on.")


def key_line(key: ApiKey, listed: CredentialList, now_us: int) -> KeyLine:
    """`now_us`: microseconds since 1970 UTC."""
    from dissonance.security.api_keys import identity_of

    identity = identity_of(key, key.digest)
    assert identity is not None
    state = "revoked" if listed.refuses(identity) else "expired" if key.expires_at_us <= now_us else "valid"
    return KeyLine(
        id=key.key_id,
        name=key.name,
        permissions=list(key.scope),
        tasks=list(key.tasks),
        created_at=to_text(key.created_at_us),
        expires_at=to_text(key.expires_at_us),
        by=key.by,
        state=state,
    )


def keys_table(lines: list[KeyLine]) -> Table:
    table = FittingTable(title="API keys")
    add_id_column(table, "id", (line.id for line in lines))
    for heading in ("name", "state", "expires", "tasks", "permissions", "made by"):
        table.add_column(heading, overflow="fold")
    for line in lines:
        expires = line.expires_at[:16].replace("T", " ")
        cells = (line.id, line.name, line.state, expires, " ".join(line.tasks), " ".join(line.permissions), line.by)
        table.add_row(*map(escape, cells))
    return table
