"""Seals what the experience store was given before such values were sealed, and has the files of its tables written
anew, in which PostgreSQL would keep what they were (ADR 70)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, LiteralString, NamedTuple

import psycopg
from psycopg import sql

from dissonance.adapters.postgres.failures import translated
from dissonance.adapters.postgres.migrate import CONNECT_S
from dissonance.security.text_seal import TextSeal

BATCH_ROWS: Final = 1_000
LOCK_KEY: Final = 0x7365_616C  # "seal": one at a time
LIMITS: Final = "-c lock_timeout=5000"
"""A table that is in use is left for the next time rather than waited for behind everybody else."""

Connection = psycopg.Connection[tuple[Any, ...]]
Follow = Callable[[int, int], None]
"""Takes how many rows are sealed, and of how many."""


class Kind(NamedTuple):
    """A kind of column. `value`: it as text or bytes. `plain`: whether it holds what is not sealed. `as_json`: whether
    what is sealed has to be a string of JSON there. `many`: the type of many values, as they are sent."""

    type: LiteralString
    value: LiteralString
    plain: LiteralString
    as_json: bool = False
    many: LiteralString = "text[]"


JSON = Kind("json", "{column}::text", "json_typeof({column}) <> 'string'", as_json=True)
JSONB = Kind("jsonb", "{column}::text", "jsonb_typeof({column}) <> 'string'", as_json=True)
TEXT = Kind("text", "{column}", "{column} <> '' AND NOT starts_with({column}, 'dissonance-sealed-1:')")
BYTES = Kind(
    "bytea",
    "{column}",
    "{column} <> '' AND substring({column} FROM 1 FOR 20) <> 'dissonance-sealed-1:'::bytea",
    many="bytea[]",
)
OF_DECISIONS = " AND EXISTS (SELECT FROM decisions d WHERE (d.task_id, d.link) = (v.task_id, v.link))"
"""The other links of the chains hold ids and figures alone, and are not sealed."""


class Place(NamedTuple):
    """A column that is sealed (`sealed_texts`). `only`: of which rows."""

    table: str
    column: str
    kind: Kind
    only: LiteralString = ""

    @property
    def name(self) -> str:
        return f"{self.table}.{self.column}"


PLACES: Final = (
    Place("tasks", "body", JSON),
    Place("rollouts", "body", JSONB),
    Place("untold_rollouts", "body", JSONB),
    Place("findings", "body", JSONB),
    Place("windows", "slices", JSONB),
    Place("window_estimates", "body", JSONB),
    Place("policies", "reason", TEXT),
    Place("labels", "source", TEXT),
    Place("revocations", "reason", TEXT),
    Place("update_judgements", "body", BYTES),
    Place("verdict_log", "evidence", BYTES, OF_DECISIONS),
)

COUNT = sql.SQL("SELECT count(*) FROM {table} v WHERE {plain}")
PICK = sql.SQL(
    "SELECT c.relname, v.ctid::text, {value} FROM {table} v JOIN pg_class c ON c.oid = v.tableoid"
    " WHERE {plain} LIMIT %s FOR NO KEY UPDATE OF v SKIP LOCKED"
)
"""Rows that somebody writes now are sealed by who writes them."""

WRITE = sql.SQL(
    "UPDATE {table} v SET {column} = given.sealed::{type}"
    " FROM unnest(%s::text[]::tid[], %s::{many}) AS given (place, sealed) WHERE v.ctid = given.place"
)
TO_CLEAR = sql.SQL("SELECT relation, coalesce(pg_total_relation_size(to_regclass(relation)), 0) FROM texts_to_clear")


class Sealing(NamedTuple):
    """`sealed`: rows, by place. `cleared`: tables whose files were written anew. `left`: what `texts_in_plain` still
    tells of."""

    sealed: dict[str, int]
    cleared: list[str]
    left: list[str]


def seal_plain_texts(
    database_url: str,
    seal: TextSeal,
    *,
    most_rows: int | None = None,
    most_bytes: int | None = None,
    follow: Follow = lambda done, total: None,
) -> Sealing:
    """As the owner, while the system works; may be cut short, and called again at any time. Blocks.

    `most_rows`: stop after so many; `most_bytes`: leave larger tables as they are when they were sealed, since writing
    one anew locks it. Raises `EngineUnavailable`, `EngineError`.
    """
    with (
        translated("seal texts"),
        psycopg.connect(database_url, autocommit=True, connect_timeout=CONNECT_S, options=LIMITS) as connection,
    ):
        sealed: dict[str, int] = {}
        cleared: list[str] = []
        if _is_alone(connection):
            sealed = _seal(connection, seal, most_rows, follow)
            cleared = list(_clear(connection, most_bytes))
        return Sealing(sealed, cleared, [str(place) for (place,) in connection.execute("SELECT texts_in_plain()")])


def _is_alone(connection: Connection) -> bool:
    """Until it hangs up."""
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (LOCK_KEY,)).fetchone()
    return row is not None and bool(row[0])


def _seal(connection: Connection, seal: TextSeal, most_rows: int | None, follow: Follow) -> dict[str, int]:
    waiting = {place: _count(connection, place) for place in PLACES}
    total = sum(waiting.values())
    done: dict[str, int] = {}
    for place in (each for each, rows in waiting.items() if rows):
        while True:
            left = BATCH_ROWS if most_rows is None else min(BATCH_ROWS, most_rows - sum(done.values()))
            rows = _seal_some(connection, seal, place, left) if left > 0 else 0
            if not rows:
                break
            done[place.name] = done.get(place.name, 0) + rows
            follow(min(sum(done.values()), total), total)
    return done


def _count(connection: Connection, place: Place) -> int:
    row = connection.execute(_filled(COUNT, place)).fetchone()
    return 0 if row is None else int(row[0])


def _seal_some(connection: Connection, seal: TextSeal, place: Place, most: int) -> int:
    with connection.transaction():
        picked = connection.execute(_filled(PICK, place), (most,)).fetchall()
        for relation in sorted({row[0] for row in picked}):
            rows = [(where, value) for name, where, value in picked if name == relation]
            sealed = [seal.seal_json(value) if place.kind.as_json else seal.seal(value) for _, value in rows]
            writing = _filled(WRITE, place._replace(table=relation))
            connection.execute(writing, ([where for where, _ in rows], sealed))
            connection.execute("INSERT INTO texts_to_clear VALUES (%s) ON CONFLICT DO NOTHING", (relation,))
    return len(picked)


def _clear(connection: Connection, most_bytes: int | None) -> Iterator[str]:
    """Noted before and struck out after, so that one that was cut short is done again."""
    for relation, size_bytes in connection.execute(TO_CLEAR).fetchall():
        if most_bytes is not None and size_bytes > most_bytes:
            continue
        try:
            connection.execute(sql.SQL("VACUUM (FULL) {}").format(sql.Identifier(relation)))
        except psycopg.errors.UndefinedTable:
            pass  # a week that retention dropped, and its file with it
        except psycopg.errors.LockNotAvailable:
            continue
        connection.execute("DELETE FROM texts_to_clear WHERE relation = %s", (relation,))
        yield relation


def _filled(statement: sql.SQL, place: Place) -> sql.Composed:
    column = sql.Identifier("v", place.column)
    return statement.format(
        table=sql.Identifier(place.table),
        column=sql.Identifier(place.column),
        value=sql.SQL(place.kind.value).format(column=column),
        plain=sql.SQL(place.kind.plain).format(column=column) + sql.SQL(place.only),
        type=sql.SQL(place.kind.type),
        many=sql.SQL(place.kind.many),
    )
