"""Bring the rights of the parts in a database to those of this code."""

from __future__ import annotations

import psycopg

from dissonance.adapters.postgres.failures import translated
from dissonance.adapters.postgres.migrate import CONNECT_S, Schema
from dissonance.adapters.postgres.rights import statements


def grant_rights(database_url: str, schema: Schema) -> None:
    """All or nothing, in one round trip; blocks, so call it from a thread.

    `database_url`: as the owner, who may make roles; the database is at this code's version. Raises
    `EngineUnavailable`, or `EngineError` when the owner may not make roles.
    """
    with translated("grant rights"), psycopg.connect(database_url, connect_timeout=CONNECT_S) as connection:
        connection.execute(";\n".join(statements(schema)).encode())
