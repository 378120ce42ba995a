"""`dissonance database`: what each part of the system may do in the databases, and what they hold sealed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from dissonance.cli.connected import on_system
from dissonance.cli.options import AsJson, Data
from dissonance.cli.output import emit, share_done
from dissonance.contracts.counts import counted
from dissonance.errors import InputError

if TYPE_CHECKING:
    from dissonance.bootstrap import System

app = typer.Typer(help="Who may do what in the databases, and what they hold sealed.", no_args_is_help=True)

Only = Annotated[str, typer.Option(metavar="DATABASE", help="experience, data_subject_keys or mlflow. Default: all.")]


LEFT = 1
"""Exit code when something is still in plain."""


class RightsAnswer(msgspec.Struct, frozen=True):
    """SQL for one database, in the order in which it is to be run."""

    database: str
    statements: list[str]


class SealAnswer(msgspec.Struct, frozen=True):
    """`sealed`: rows, by table and column. `cleared`: tables whose files were written anew. `left`: what is still in
    plain, since somebody was writing it or using the table."""

    sealed: dict[str, int]
    cleared: list[str]
    left: list[str]


@app.callback()
def database() -> None:
    """Who may do what in the databases, and what they hold sealed."""


@app.command()
def rights(only: Only = "", as_json: AsJson = False) -> None:
    """Print the SQL that makes a role for each part of the system, and for MLflow, with what it needs and no more.

    `dissonance up` grants this in its own databases. In others, run it as their owner after each upgrade.
    """
    from dissonance.adapters.mlflow_server import database as mlflow
    from dissonance.adapters.postgres.migrate import Schema
    from dissonance.adapters.postgres.rights import statements

    every = {schema.value: statements(schema) for schema in Schema} | {mlflow.DATABASE: mlflow.statements()}
    if only not in ("", *every):
        raise InputError(f"there is no database '{only}'", where="--only", fix=f"one of {', '.join(every)}")
    answers = [RightsAnswer(name, lines) for name, lines in every.items() if only in ("", name)]
    text = "\n".join(
        f"-- in the database of {answer.database}\n" + "".join(f"{each};\n" for each in answer.statements)
        for answer in answers
    )
    emit(answers, as_json, lambda console: console.print(text, markup=False, soft_wrap=True, end=""))


@app.command()
def seal(data: Data = None, as_json: AsJson = False) -> None:
    """Seal what the experience database was given before reasons, categories and slices were sealed.

    While the system works; what was cut short, the next call finishes. Each table that held such values is locked while
    its file is written anew. Exit code 1 when something is left.
    """
    from dissonance.adapters.postgres.plain_texts import seal_plain_texts
    from dissonance.bootstrap_databases import text_seal_of

    with share_done("sealing texts", quiet=as_json) as follow:

        async def work(system: System) -> SealAnswer:
            url, texts = system.addresses.database_url, text_seal_of(system.key_folder)
            done = await asyncio.to_thread(seal_plain_texts, url, texts, follow=follow)
            return SealAnswer(*done)

        answer = on_system(data, work)
    lines = [f"Sealed: {counted(rows, 'row')} of {place}." for place, rows in answer.sealed.items()]
    lines += [f"Still in plain: {place}; call this again." for place in answer.left]
    emit(answer, as_json, "\n".join(lines) or "Nothing was in plain.")
    raise typer.Exit(LEFT if answer.left else 0)
