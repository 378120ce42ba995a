"""MLflow in its own database: a role that works with its tables, which their owner makes and upgrades (ADR 63)."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable
from pathlib import Path

import psycopg

from dissonance.adapters.postgres.failures import translated
from dissonance.adapters.postgres.migrate import CONNECT_S
from dissonance.adapters.postgres.rights import MLFLOW, SHUT, let_in, role_of
from dissonance.errors import EngineError

DATABASE = "mlflow"
VERSION = "alembic_version"
"""Its table that says which migrations were run, as ours are called too."""

WORK = ("SELECT", "INSERT", "UPDATE", "DELETE")
ROLE = role_of(MLFLOW)
REVISION = re.compile(r'^(down_)?revision\s*=\s*"(\w+)"', re.MULTILINE)


def statements() -> list[str]:
    """SQL that gives MLflow's role its rights in MLflow's own database, and takes what it had beside them.

    It works with the rows of every table, and only reads which version they are. Run as their owner, who may make
    roles, after each upgrade of MLflow.
    """
    return [
        *SHUT,
        *let_in(ROLE),
        f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {ROLE}",
        f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM {ROLE}",
        f"GRANT {', '.join(WORK)} ON ALL TABLES IN SCHEMA public TO {ROLE}",
        f"REVOKE {', '.join(WORK[1:])} ON {VERSION} FROM {ROLE}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {ROLE}",
    ]


def newest_version() -> str:
    """The one that the installed MLflow brings a database to; read from its files, since loading it takes seconds.

    Raises `EngineError` when they do not say.
    """
    folder = _package() / "store" / "db_migrations" / "versions"
    newest = newest_of(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    if not newest:
        raise EngineError(
            "the version of MLflow's tables cannot be told from its migrations",
            where=str(folder),
            fix="install the release of MLflow that this one was made with",
        )
    return newest


def newest_of(scripts: Iterable[str]) -> str:
    """The revision that no other one follows; "" when there is not exactly one.

    >>> newest_of(['revision = "a"\\ndown_revision = None', 'revision = "b"\\ndown_revision = "a"'])
    'b'
    """
    found = [match for script in scripts for match in REVISION.findall(script)]
    ends = {name for down, name in found if not down} - {name for down, name in found if down}
    return ends.pop() if len(ends) == 1 else ""


def version_of(database_url: str) -> str:
    """What the tables of a database are at; "" where there are none. Raises `EngineError`."""
    with translated("read MLflow's version"), psycopg.connect(database_url, connect_timeout=CONNECT_S) as connection:
        try:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except psycopg.errors.UndefinedTable:
            return ""
    return "" if row is None else str(row[0])


def grant(database_url: str) -> None:
    """All or nothing; as the owner. Raises `EngineError`."""
    with translated("grant MLflow's rights"), psycopg.connect(database_url, connect_timeout=CONNECT_S) as connection:
        connection.execute(";\n".join(statements()).encode())


def _package() -> Path:
    found = importlib.util.find_spec("mlflow")  # found, not imported
    if found is None or not found.submodule_search_locations:
        raise EngineError("mlflow is not installed", where="Python environment", fix="install dissonance again")
    return Path(found.submodule_search_locations[0])
