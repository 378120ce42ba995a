"""Rows that a query of any database gives that SQLAlchemy has a dialect for."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, SQLAlchemyError

from dissonance.errors import EngineUnavailable, InputError, InvalidDataFile

FETCH_ROWS = 50_000
"""Rows that are in hand as Python values at once."""


class SqlRows:
    """`ports.sources.RowSource`. `url`: as SQLAlchemy has them, `dialect+driver://user:password@host/name`."""

    def __init__(self, url: str, query: str) -> None:
        """Raises `InputError` for what is no such address, or a dialect whose driver is not installed."""
        try:
            self._url = make_url(url)
            self._url.get_dialect()
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            raise InputError(
                f"this is no address of a database: {type(error).__name__}",
                where="--from",
                fix="give dialect+driver://user:password@host/name, and install the driver",
            ) from error
        self._query = query

    @property
    def shown(self) -> str:
        """A query may speak of people: only its digest is shown, which tells it from others."""
        digest = hashlib.sha256(self._query.encode()).hexdigest()
        return f"{self._url.render_as_string(hide_password=True)} query {digest}"

    async def read(self, columns: Sequence[str]) -> pa.Table:
        """The query is read once, in one transaction, and nothing is written."""
        return await asyncio.to_thread(self._read, columns)

    def _read(self, columns: Sequence[str]) -> pa.Table:
        engine = None
        try:
            engine = create_engine(self._url)
            with engine.connect() as connection, connection.begin() as transaction:
                found = connection.execution_options(stream_results=True).execute(text(self._query))
                names = list(found.keys())
                wanted = [(names.index(name), name) for name in columns if name in names]
                chunks = [_columns(rows, wanted) for rows in found.partitions(FETCH_ROWS)]
                transaction.rollback()
        except OperationalError as error:
            raise EngineUnavailable(
                f"the database did not do it: {error.orig}",
                where=self._url.render_as_string(hide_password=True),
                fix="see that it runs, that the user may read, and that the query is right",
            ) from error
        except (SQLAlchemyError, ImportError) as error:
            raise InputError(
                f"the query cannot be read: {getattr(error, 'orig', None) or error}",
                where="--query",
                fix="give one SELECT, and install the driver that the address names",
            ) from error
        finally:
            if engine is not None:
                engine.dispose()
        return _table(chunks, [name for _, name in wanted])


def _columns(rows: Sequence[Sequence[Any]], wanted: Sequence[tuple[int, str]]) -> list[list[Any]]:
    return [[_plain(row[position]) for row in rows] for position, _ in wanted]


def _plain(value: Any) -> Any:
    """A column of exact numbers is one of numbers to a model."""
    if isinstance(value, Decimal):
        return int(value) if value.is_finite() and value == value.to_integral_value() else float(value)
    return value


def _table(chunks: Sequence[list[list[Any]]], names: list[str]) -> pa.Table:
    try:
        return pa.table(
            {name: pa.array([each for chunk in chunks for each in chunk[i]]) for i, name in enumerate(names)}
        )
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InvalidDataFile(
            f"a column of the answer holds values of several types: {error}", where="--query", fix="cast it to one"
        ) from error
