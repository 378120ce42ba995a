"""Bring a database to the version of this code: made, upgraded, or refused when it is newer (design 6.6).

Alembic and SQLAlchemy load where something is migrated: every command looks which version a database has.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from dissonance.adapters.postgres.failures import translated
from dissonance.errors import EngineError

if TYPE_CHECKING:
    import sqlalchemy
    from alembic.config import Config

LOCK_KEY = 0x6D69_6772_6174  # "migrat": replicas that start together migrate one after another
CONNECT_S = 5


class Schema(StrEnum):
    """Which database; each has a folder of migrations of this name."""

    EXPERIENCE = "experience"
    DATA_SUBJECT_KEYS = "data_subject_keys"


def migrate(database_url: str, schema: Schema = Schema.EXPERIENCE) -> str:
    """Upgrade the database to this code's version and return that; blocks, so call it from a thread.

    The database itself must exist. Raises `EngineUnavailable` when it does not answer, and `EngineError`, with
    nothing changed, when a newer release has been here.
    """
    from alembic import command
    from alembic.runtime.migration import MigrationContext

    with translated("migrate"), _connection(database_url) as connection:
        connection.exec_driver_sql("SELECT pg_advisory_lock(%s)", (LOCK_KEY,))
        connection.commit()
        try:
            refuse_newer(MigrationContext.configure(connection).get_current_revision(), schema)
            connection.commit()
            config = _config(schema)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
        finally:
            connection.rollback()
            connection.exec_driver_sql("SELECT pg_advisory_unlock(%s)", (LOCK_KEY,))
            connection.commit()
    return head(schema)


def refuse_newer(revision: str | None, schema: Schema) -> None:
    """Raises `EngineError` for a revision that this code does not know."""
    if revision is not None and revision not in revisions(schema):
        raise EngineError(
            f"the database is at version {revision}, which this release does not know; it knows up to {head(schema)}",
            where=f"database of {schema.value}",
            fix="use the release that wrote it, or a newer one; or restore a backup of before",
        )


@lru_cache
def revisions(schema: Schema) -> tuple[str, ...]:
    """Every version this code knows, newest first: a migration's file begins with its version."""
    files = (_folder(schema) / "versions").glob("[0-9]*_*.py")
    return tuple(sorted((file.name.partition("_")[0] for file in files), reverse=True))


def head(schema: Schema) -> str:
    """
    >>> head(Schema.DATA_SUBJECT_KEYS)
    '0004'
    """
    return revisions(schema)[0]


def _folder(schema: Schema) -> Path:
    return Path(__file__).with_name("migrations") / schema.value


def _config(schema: Schema) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_folder(schema)).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


@contextmanager
def _connection(database_url: str) -> Iterator[sqlalchemy.Connection]:
    """psycopg reads the address itself, so that it means here what it means everywhere else."""
    import sqlalchemy
    from sqlalchemy.pool import NullPool

    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(database_url, connect_timeout=CONNECT_S),
        poolclass=NullPool,
    )
    try:
        with engine.connect() as connection:
            yield connection
    except sqlalchemy.exc.DBAPIError as error:
        if isinstance(error.orig, psycopg.Error):
            raise error.orig from error
        raise
    finally:
        engine.dispose()
