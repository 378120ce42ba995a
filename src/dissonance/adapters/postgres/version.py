"""Whether a database is at the version of this release."""

from __future__ import annotations

import psycopg

from dissonance.adapters.postgres.database import Database
from dissonance.adapters.postgres.failures import caused_by
from dissonance.adapters.postgres.migrate import Schema, head, refuse_newer
from dissonance.errors import EngineError, EngineUnavailable


async def require_version(database: Database, schema: Schema) -> None:
    """Raises `EngineUnavailable` for a database that is older or empty, `EngineError` for a newer one."""
    try:
        rows = await database.rows("revision", {})
    except EngineError as error:
        if not caused_by(error, psycopg.errors.UndefinedTable):
            raise
        rows = []
    revision = rows[0][0] if rows else None
    refuse_newer(revision, schema)
    if revision != head(schema):
        raise EngineUnavailable(
            f"the database is at version {revision or 'none'}, this release needs {head(schema)}",
            where=f"database of {schema.value}",
            fix="dissonance up upgrades it; one of your own any command as its owner does, as dissonance task list",
        )
