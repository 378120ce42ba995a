"""`dissonance database rights`: what an operator runs on databases of his own."""

from __future__ import annotations

import msgspec
from typer.testing import CliRunner

from dissonance.adapters.mlflow_server import database as mlflow
from dissonance.adapters.postgres.migrate import Schema
from dissonance.adapters.postgres.rights import statements
from dissonance.cli import app
from dissonance.errors import InputError

EVERY = {**{schema.value: statements(schema) for schema in Schema}, "mlflow": mlflow.statements()}


def printed(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["database", "rights", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_rights_are_printed_as_sql_for_each_database() -> None:
    told = msgspec.json.decode(printed("--json"))

    assert {each["database"]: each["statements"] for each in told} == EVERY
    lines = printed().splitlines()
    assert [line for line in lines if line.startswith("-- in")] == [f"-- in the database of {name}" for name in EVERY]
    assert f"{statements(Schema.EXPERIENCE)[-1]};" in lines


def test_rights_of_one_database_are_sql_that_can_be_run_as_it_is() -> None:
    lines = printed("--only", "data_subject_keys").splitlines()

    assert lines[0] == "-- in the database of data_subject_keys"
    assert lines[1:] == [f"{each};" for each in statements(Schema.DATA_SUBJECT_KEYS)]


def test_database_that_there_is_not_is_named() -> None:
    result = CliRunner().invoke(app, ["database", "rights", "--only", "templates"])

    assert isinstance(result.exception, InputError)
    assert "data_subject_keys" in result.exception.fix
