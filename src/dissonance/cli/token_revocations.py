"""`dissonance token revoke`, `list`: credentials that are refused from now on, in every process within seconds."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, TextIO

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from dissonance.cli.acting import acting_as
from dissonance.cli.connected import on_system
from dissonance.cli.options import AsJson, Data
from dissonance.cli.output import add_id_column, emit
from dissonance.cli.tables import FittingTable
from dissonance.contracts.times import to_text
from dissonance.errors import InputError
from dissonance.security.revocations import REMEMBERED_US, Revocation, Revoked

if TYPE_CHECKING:
    from dissonance.bootstrap import System

STDIN = "-"

Reason = Annotated[str, typer.Option(help="Why; kept with the revocation.")]


class RevocationLine(msgspec.Struct, frozen=True):
    """What `revoke --json` prints, and `list --json` a list of. `revoked_at` is RFC 3339 in UTC."""

    what: str
    value: str
    revoked_at: str
    by: str
    reason: str


def revoke(
    token_id: Annotated[
        str | None,
        typer.Argument(
            metavar="[ID]", help="The token's `jti`, or an API key's id; - reads the credential from stdin."
        ),
    ] = None,
    subject: Annotated[str | None, typer.Option(help="Whatever was issued to this name until now.")] = None,
    reason: Reason = "",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Refuse a token, an API key, or all that somebody has, from now on.

    Tokens that are made for a --subject within the next minute are refused too, since clocks differ.
    """
    what, value = what_is_meant(token_id, subject, sys.stdin)

    async def work(system: System) -> Revocation:
        from dissonance.roles.credential_changing import CredentialChanging

        changing = CredentialChanging(system.store, system.bus, system.clock, by=acting_as())
        return await changing.revoke(what, value, reason)

    line = revocation_line(on_system(data, work))
    emit(line, as_json, f"[bold]{escape(line.value)}[/bold] is refused from now on.")


def list_(data: Data = None, as_json: AsJson = False) -> None:
    """What is revoked, newest first. Tokens themselves are kept nowhere; for API keys see `token key list`."""

    async def work(system: System) -> list[Revocation]:
        return await system.store.revocations(system.clock.now_us() - REMEMBERED_US)

    lines = [revocation_line(each) for each in on_system(data, work)]
    emit(lines, as_json, revoked_table(lines) if lines else "Nothing is revoked.")


def what_is_meant(token_id: str | None, subject: str | None, stdin: TextIO) -> tuple[Revoked, str]:
    """Raises `InputError` unless just one of both is given. `stdin` has the credential where `token_id` is -.

    >>> what_is_meant(None, "ada", sys.stdin)
    (<Revoked.HOLDER: 'holder'>, 'ada')
    """
    if (token_id is None) == (subject is None):
        raise InputError("one thing is revoked at a time", where="ID, --subject", fix="give an id, or --subject NAME")
    if subject is not None:
        return Revoked.HOLDER, subject
    assert token_id is not None
    return Revoked.TOKEN, id_of(stdin.read().strip()) if token_id == STDIN else token_id


def id_of(credential: str) -> str:
    """What a credential is revoked by, whoever issued it; nothing of it is checked. Raises `InputError`.

    >>> id_of("dsk_0123456789abcdef_" + "A" * 43)
    '0123456789abcdef'
    """
    import hashlib

    import jwt

    from dissonance.security import api_keys, refresh_tokens

    known_id = api_keys.id_in(credential) or refresh_tokens.id_in(credential)
    if known_id is not None:
        return known_id
    try:
        claims = jwt.decode(credential, options={"verify_signature": False})
    except jwt.PyJWTError as error:
        raise InputError("this is no token and no API key", where="stdin", fix="give what its holder sends") from error
    return str(claims.get("jti", hashlib.sha256(credential.encode()).hexdigest()))


def revocation_line(each: Revocation) -> RevocationLine:
    return RevocationLine(each.what.value, each.value, to_text(each.revoked_at_us), each.by, each.reason)


def revoked_table(lines: list[RevocationLine]) -> Table:
    table = FittingTable(title="Revoked")
    table.add_column("what", overflow="fold")
    add_id_column(table, "id or name", (line.value for line in lines))
    for heading in ("since", "by", "why"):
        table.add_column(heading, overflow="fold")
    for line in lines:
        cells = (line.what, line.value, line.revoked_at[:19].replace("T", " "), line.by, line.reason)
        table.add_row(*map(escape, cells))
    return table
