"""`dissonance database`: what each part of the system may do in the databases."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from dissonance.cli.options import AsJson
from dissonance.cli.output import emit
from dissonance.errors import InputError

app = typer.Typer(help="Who may do what in the databases.", no_args_is_help=True)

Only = Annotated[str, typer.Option(metavar="DATABASE", help="experience, data_subject_keys or mlflow. Default: all.")]


class RightsAnswer(msgspec.Struct, frozen=True):
    """SQL for one database, in the order in which it is to be run."""

    database: str
    statements: list[str]


@app.callback()
def database() -> None:
    """Who may do what in the databases."""


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
