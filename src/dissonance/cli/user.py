"""`dissonance user`: people who log in at the local issuer with a password. There is no default one, and no default
person."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from dissonance.cli.connected import on_system
from dissonance.cli.options import AsJson, Data
from dissonance.cli.output import console, emit
from dissonance.cli.tables import FittingTable
from dissonance.cli.token_clients import changing_logins
from dissonance.contracts.times import to_text
from dissonance.errors import InputError
from dissonance.security.grants import read_grants
from dissonance.security.permissions import ANY_TASK

if TYPE_CHECKING:
    from dissonance.bootstrap import System
    from dissonance.security.people import Person

app = typer.Typer(help="People who log in with a password: add, password, list, remove.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="What they log in as.")]
Generate = Annotated[bool, typer.Option("--generate", help="Make the password, and show it once, instead of asking.")]
FromStdin = Annotated[bool, typer.Option("--stdin", help="Read the password from stdin, a line.")]


class PersonLine(msgspec.Struct, frozen=True, kw_only=True):
    """One as `list --json` prints them. `created_at` is RFC 3339 in UTC."""

    name: str
    grants: list[str]
    tasks: list[str]
    created_at: str
    by: str


class PasswordSet(msgspec.Struct, frozen=True, omit_defaults=True):
    """What `add --json` and `password --json` print; `password` only where it was made here, and never again."""

    name: str
    password: str = ""


class RemovedPerson(msgspec.Struct, frozen=True):
    removed: str


@app.command()
def add(
    name: Name,
    grant: Annotated[list[str], typer.Option(help="What they may do, as `token grants` lists it. May be repeated.")],
    task: Annotated[list[str] | None, typer.Option(help="A task it is for, or * for all. May be repeated.")] = None,
    generate: Generate = False,
    stdin: FromStdin = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Let somebody log in. The password is asked for twice, at least 15 characters long; only its hash is kept.

    Without --task it is for every task.
    """
    password = _password(generate, stdin)

    async def work(system: System) -> Person:
        return await changing_logins(system).add_person(
            name=name,
            password=password,
            grants=grant,
            known=read_grants(system.settings.grants),
            tasks=task or [ANY_TASK],
        )

    on_system(data, work)
    _tell(name, password if generate else "", as_json)


@app.command("password")
def set_password(
    name: Name, generate: Generate = False, stdin: FromStdin = False, data: Data = None, as_json: AsJson = False
) -> None:
    """Replace a password. Tokens of before go on; `token revoke --subject NAME` ends them."""
    password = _password(generate, stdin)

    async def work(system: System) -> None:
        await changing_logins(system).set_password(name, password)

    on_system(data, work)
    _tell(name, password if generate else "", as_json)


@app.command("list")
def list_(data: Data = None, as_json: AsJson = False) -> None:
    """Everybody who may log in here."""

    async def work(system: System) -> list[PersonLine]:
        return [person_line(person) for person in await system.store.people()]

    lines = on_system(data, work)
    emit(lines, as_json, _table(lines) if lines else "Nobody may log in: dissonance user add")


@app.command()
def remove(name: Name, data: Data = None, as_json: AsJson = False) -> None:
    """Let somebody log in no more. What they were given until now is refused."""

    async def work(system: System) -> None:
        await changing_logins(system).remove_person(name)

    on_system(data, work)
    emit(RemovedPerson(name), as_json, f"[bold]{escape(name)}[/bold] may not log in any more, and has no valid token.")


def person_line(person: Person) -> PersonLine:
    return PersonLine(
        name=person.name,
        grants=list(person.grants),
        tasks=list(person.tasks),
        created_at=to_text(person.created_at_us),
        by=person.by,
    )


def _password(generate: bool, stdin: bool) -> str:
    """Never an argument, which every process of the machine may read. Raises `InputError` without a terminal."""
    if generate:
        from dissonance.adapters.clock import SystemRandomness
        from dissonance.security.passwords import generated_password

        return generated_password(SystemRandomness())
    if stdin:
        return sys.stdin.readline().rstrip("\n")
    if not sys.stdin.isatty():
        raise InputError("there is no terminal to ask at", where="password", fix="use --generate, or --stdin")
    password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return password


def _tell(name: str, password: str, as_json: bool) -> None:
    if as_json:
        emit(PasswordSet(name, password), as_json, "")
    elif password:
        console.print(password, markup=False, soft_wrap=True)
    else:
        console.print(f"{name} may log in with it.", markup=False)


def _table(lines: list[PersonLine]) -> Table:
    table = FittingTable(title="People who may log in")
    for heading in ("name", "grants", "tasks", "since", "added by"):
        table.add_column(heading, overflow="fold")
    for line in lines:
        cells = (
            line.name,
            " ".join(line.grants),
            " ".join(line.tasks),
            line.created_at[:16].replace("T", " "),
            line.by,
        )
        table.add_row(*map(escape, cells))
    return table
