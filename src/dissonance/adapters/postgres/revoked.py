"""What is revoked, read by whoever has no event loop: commands, and MLflow's server."""

from __future__ import annotations

import psycopg

from dissonance.adapters.postgres.database import CONNECT_S
from dissonance.adapters.postgres.failures import translated
from dissonance.adapters.postgres.queries import load_queries
from dissonance.security.revocations import REMEMBERED_US, CredentialList, Revocation, Revoked

NOTHING_YET = -1
"""Changes of a database without the tables: nobody can have revoked anything."""

STATEMENT_MS = 5_000


class RevocationReading:
    """On one connection, made anew after it broke. For one thread. Methods raise `EngineError`."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._queries = load_queries("queries.sql")
        self._connection: psycopg.Connection | None = None

    def changes(self) -> int:
        """How often revocations or API keys were changed."""
        with translated("read what is revoked"):
            try:
                row = self._open().execute(self._queries["credential_changes"]).fetchone()
            except psycopg.errors.UndefinedTable:
                return NOTHING_YET
        return NOTHING_YET if row is None else int(row[0])

    def revoked(self, now_us: int) -> CredentialList:
        """All that something may still be under. No API keys: who asks here does not take them."""
        with translated("read what is revoked"):
            try:
                since = {"since_us": now_us - REMEMBERED_US}
                rows = self._open().execute(self._queries["revocations"], since).fetchall()
            except psycopg.errors.UndefinedTable:
                rows = []
        return CredentialList(
            Revocation(what=Revoked(what), value=value, revoked_at_us=at_us, by=by, reason=reason)
            for what, value, at_us, by, reason in rows
        )

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _open(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(
                self._url,
                autocommit=True,
                connect_timeout=CONNECT_S,
                options=f"-c statement_timeout={STATEMENT_MS}",
                keepalives_idle=10,
                keepalives_interval=5,
                keepalives_count=3,
            )
        return self._connection
