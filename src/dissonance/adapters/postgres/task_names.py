"""What tasks there are, read by a command that has no event loop."""

from __future__ import annotations

import psycopg

from dissonance.adapters.postgres.database import CONNECT_S
from dissonance.adapters.postgres.failures import translated
from dissonance.adapters.postgres.queries import load_queries

STATEMENT_MS = 2_000


def task_names(database_url: str) -> list[str]:
    """Of every task, oldest first. Raises `EngineError`."""
    query = load_queries("queries.sql")["task_names"]
    options = f"-c statement_timeout={STATEMENT_MS}"
    with (
        translated("list tasks"),
        psycopg.connect(database_url, autocommit=True, connect_timeout=CONNECT_S, options=options) as connection,
    ):
        rows = connection.execute(query).fetchall()
    return [name for (name,) in rows]
