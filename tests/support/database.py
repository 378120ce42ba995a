"""Fresh databases on a running PostgreSQL."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from dissonance.adapters.postgres.rights import beside


@contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    """An empty database beside the one of `server_url`, dropped at the end; yields its address."""
    name = f"test_{secrets.token_hex(6)}"
    execute(server_url, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield beside(server_url, name)
    finally:
        execute(server_url, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def execute(url: str, statement: sql.Composed | sql.SQL, parameters: tuple[object, ...] = ()) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement, parameters)


def execute_all(url: str, *statements: bytes) -> None:
    """In one transaction."""
    with psycopg.connect(url) as connection:
        for statement in statements:
            connection.execute(statement)


def rows(url: str, statement: sql.Composed | sql.SQL) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(statement).fetchall()
