"""All that a database holds, as text: what PostgreSQL compresses in its files, it opens here."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
from psycopg import sql

from dissonance.adapters.postgres.failures import translated

TABLES = """
    SELECT schemaname, tablename FROM pg_tables
    WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2
"""


def every_row(url: str) -> Iterator[bytes]:
    """Every table in the format of COPY, `bytea` as hexadecimal digits. Raises `EngineUnavailable`, `EngineError`."""
    with translated("copy every table"), psycopg.connect(url, autocommit=True) as connection:
        for schema, table in connection.execute(TABLES).fetchall():
            name = sql.Identifier(schema, table)
            # A query and no table, so that partitioned ones are copied too.
            with connection.cursor().copy(sql.SQL("COPY (SELECT * FROM {}) TO STDOUT").format(name)) as copy:
                yield from (bytes(block) for block in copy)
