"""MLflow at a real PostgreSQL: it works with the rows of its tables, and may do nothing to them or anywhere else."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from dissonance.adapters.clock import SystemClock
from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.adapters.embedded.folder import DataFolder
from dissonance.adapters.embedded.mlflow import prepare_tables
from dissonance.adapters.mlflow import credentials
from dissonance.adapters.mlflow.registry import MlflowRegistry
from dissonance.adapters.mlflow_server.database import newest_version, version_of
from dissonance.adapters.postgres.migrate import Schema
from dissonance.adapters.postgres.rights import MLFLOW, TABLES, beside
from dissonance.drills.pentest.database_walk import rights_walk
from dissonance.drills.pentest.walks import doors_of_the_databases, parts_of_the_databases
from dissonance.errors import EngineError
from dissonance.ports.registry import Alias, ModelRole
from dissonance.security.service_tokens import ServiceToken
from dissonance.security.tls import client_context
from support.database import execute, fresh_database, rows
from support.engines import issuer_of
from support.parts import seen_by

WHO_WORKS_THERE = sql.SQL("SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = 'mlflow'")


@pytest.fixture(scope="module")
def its_database(all_engines: EngineAddresses) -> str:
    """As its owner."""
    return beside(all_engines.database_url, "mlflow")


def test_registry_works_through_a_server_that_owns_nothing(
    all_engines: EngineAddresses, all_engines_folder: Path
) -> None:
    assert all_engines.tls is not None
    clock, task, name = SystemClock(), uuid4().hex, f"task-{uuid4().hex[:12]}"
    token = ServiceToken(issuer_of(all_engines_folder), clock, subject="registrar", grant="registrar")
    tls = client_context(all_engines.tls)
    registry = MlflowRegistry(all_engines.mlflow_url, credentials.bearer(token), tls, clock=clock)

    for content in (b"one", b"two"):
        registry.register(
            task, name, ModelRole.PROPOSER, content, "d" * 64, metrics={"a": 1.0}, parameters={"b": "c"}, parent=None
        )
    registry.mark(task, ModelRole.PROPOSER, Alias.CANARY, 2)
    registry.promote(registry.version(task, ModelRole.PROPOSER, 2))

    assert registry.artefact(task, ModelRole.PROPOSER, 2) == b"two"
    assert registry.production(task, ModelRole.PROPOSER).version == 2
    registry.delete_task(task)
    assert rows(all_engines.database_url, WHO_WORKS_THERE) == [("dissonance_mlflow",)]
    assert "permission denied" not in (all_engines_folder / "logs" / "mlflow.log").read_text()


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (n int)",
        "CREATE TEMPORARY TABLE mine (n int)",
        "CREATE SCHEMA mine",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER TABLE experiments ADD COLUMN mine int",
        "ALTER TABLE experiments DISABLE TRIGGER ALL",
        "CREATE INDEX mine ON experiments (name)",
        "DROP TABLE experiments",
        "TRUNCATE experiments CASCADE",
        "UPDATE alembic_version SET version_num = 'mine'",
        "DELETE FROM alembic_version",
        "SELECT setval('experiments_experiment_id_seq', 1)",
        "COPY experiments TO PROGRAM 'true'",
        "CREATE ROLE mine",
    ],
)
def test_mlflow_that_is_taken_over_cannot(its_database: str, statement: str) -> None:
    with (
        psycopg.connect(seen_by(its_database, MLFLOW), autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement.encode())


def test_mlflow_sees_in_our_database_what_is_revoked_and_nothing_else(all_engines: EngineAddresses) -> None:
    readable = []
    with psycopg.connect(seen_by(all_engines.database_url, MLFLOW), autocommit=True) as connection:
        for table in TABLES[Schema.EXPERIENCE]:
            try:
                connection.execute(sql.SQL("SELECT FROM {} LIMIT 0").format(sql.Identifier(table)))
                readable.append(table)
            except psycopg.errors.InsufficientPrivilege:
                continue
    assert readable == ["revocations", "credential_changes"]


def test_no_part_and_no_mlflow_does_or_reaches_what_is_not_its_own(
    all_engines: EngineAddresses, its_database: str
) -> None:
    """The walk of the pentest: with nothing to find, and everybody let in where they work."""
    urls = {
        Schema.EXPERIENCE: all_engines.database_url,
        Schema.DATA_SUBJECT_KEYS: all_engines.keys_database_url,
    }
    parts, doors = parts_of_the_databases(urls, its_database), doors_of_the_databases(urls, its_database)

    look = rights_walk(parts, doors)

    assert look.findings == ()
    assert look.control
    assert {"mlflow in dissonance_keys", "mlflow in postgres", "critic in mlflow"} < {door.name for door in doors}
    execute(its_database, sql.SQL("GRANT CONNECT ON DATABASE postgres TO dissonance_critic"))
    execute(its_database, sql.SQL("GRANT TRUNCATE ON experiments TO dissonance_mlflow"))
    try:
        found = {each.where for each in rights_walk(parts[-1:], doors).findings}
    finally:
        execute(its_database, sql.SQL("REVOKE CONNECT ON DATABASE postgres FROM dissonance_critic"))
        execute(its_database, sql.SQL("REVOKE TRUNCATE ON experiments FROM dissonance_mlflow"))
    assert found == {"critic in postgres", "mlflow in mlflow: TRUNCATE experiments"}


def test_tables_are_at_the_version_that_mlflow_itself_brings_them_to(its_database: str) -> None:
    assert version_of(its_database) == newest_version()


def test_tables_that_cannot_be_made_end_the_start_with_what_was_said(
    all_engines: EngineAddresses, tmp_path: Path
) -> None:
    folder = DataFolder(tmp_path)
    folder.logs.mkdir()
    folder.mlflow_artifacts.mkdir(parents=True)
    failing = tmp_path / "failing.py"
    failing.write_text("raise SystemExit('no such revision')\n")
    with fresh_database(all_engines.database_url) as url, pytest.raises(EngineError, match="no such revision"):
        asyncio.run(prepare_tables(url, folder, {}, upgrade=failing))
