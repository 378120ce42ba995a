"""Rows by the hundred thousand, by pages: of each page one row comes, with a column's values one after the other.

A value costs its driver less than a tenth then, and what is read next is on its way while a page is worked on. All
pages are of one moment. Values of one length need no lengths, which would cost the database a fourth of its time: they
are asked for where a column turns out to be uneven.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from enum import Enum, auto
from itertools import islice
from typing import Any, Final, NamedTuple

import numpy as np

from dissonance.adapters.postgres.database import Connection, Database, Parameters
from dissonance.contracts.joined import cut, cut_alike

PAGE_ROWS: Final = 10_000
PAGE_BYTES: Final = 64 << 20
"""At most about so much comes at once: a value of PostgreSQL is never more than 1 GiB."""

FIRST_ROWS: Final = 2_000
"""Of the first page, which tells how long rows are."""

OF_ONE_MOMENT: Final = """
    SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;
    SET LOCAL enable_sort = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_bitmapscan = off;
    SET LOCAL max_parallel_workers_per_gather = 0
"""
"""In the order of an index, whatever is known of the table just now: to sort all for each page takes ever longer."""


class Kind(Enum):
    INTEGER = auto()  # of 64 bits
    VALUE = auto()  # bytes


Columns = Mapping[str, Kind]
"""By the names that the query gives them, in order."""


class Packed(NamedTuple):
    """A column of a page. `longest`: bytes of its longest value; `lengths` of each, as `int4send` gives them."""

    joined: bytes
    longest: int
    lengths: bytes | None = None

    def is_cut(self, count: int) -> bool:
        return self.lengths is not None or len(self.joined) == count * self.longest

    def values(self, count: int) -> list[bytes]:
        """
        >>> Packed(b"abcd", 2).values(2), Packed(b"", 0).values(2)
        ([b'ab', b'cd'], [b'', b''])
        >>> Packed(b"abc", 2, (1).to_bytes(4) + (2).to_bytes(4)).values(2)
        [b'a', b'bc']
        """
        if self.lengths is None:
            return cut_alike(self.joined, self.longest, count)
        return cut(self.joined, np.frombuffer(self.lengths, dtype=">i4"))

    def integers(self) -> list[int]:
        return list(np.frombuffer(self.joined, dtype=">i8").tolist())


LastOf = Callable[[Sequence[Packed]], Parameters]
"""Of a page's columns, what the next page comes after."""


async def packed_pages(
    database: Database, query: str, columns: Columns, parameters: Parameters, last_of: LastOf
) -> AsyncGenerator[list[list[Any]], None]:
    """Columns of each page, as lists. The query takes `most_rows`, and what they come after, which `parameters` say of
    the first page; its first column is a key, all of one length. The next page is asked for before one is handed out.
    Raises `EngineUnavailable`."""
    statement = packing(database.query(query), columns)
    async with database.connection(query, limited=False) as connection, _of_one_moment(database, connection):

        def coming(page: Parameters) -> asyncio.Task[list[Packed]]:
            return asyncio.create_task(_page(database, connection, statement, page, columns))

        page = {**parameters, "most_rows": FIRST_ROWS, "uneven": []}
        asked = coming(page)
        try:
            while found := await asked:
                count = len(found[0].joined) // found[0].longest
                if there_may_be_more := count == page["most_rows"]:
                    asked = coming(page := {**page, **last_of(found), **_like(found, count, columns)})
                yield [
                    each.integers() if kind is Kind.INTEGER else each.values(count)
                    for each, kind in zip(found, columns.values(), strict=True)
                ]
                if not there_may_be_more:
                    return
        finally:
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)


@asynccontextmanager
async def _of_one_moment(database: Database, connection: Connection) -> AsyncIterator[None]:
    """A transaction. To begin it and to end it may take as long as one statement; what is between has its own limit."""
    with ExitStack() as limit:
        limit.enter_context(database.hanging_up(connection))
        async with connection.transaction():
            await connection.execute(OF_ONE_MOMENT)
            limit.close()
            try:
                yield
            finally:
                limit.enter_context(database.hanging_up(connection))


def _like(found: Sequence[Packed], count: int, columns: Columns) -> Parameters:
    """What to ask for of a page whose rows are like those found."""
    size = sum(len(each.joined) for each in found)
    uneven = [name for name, each in zip(columns, found, strict=True) if each.lengths is not None]
    return {"most_rows": max(1, min(PAGE_ROWS, PAGE_BYTES * count // size)), "uneven": uneven}


async def _page(
    database: Database, connection: Connection, statement: bytes, parameters: Parameters, columns: Columns
) -> list[Packed]:
    """Nothing where there are no rows. Asks again where a column turns out to be uneven."""
    with database.hanging_up(connection):
        async with connection.cursor(binary=True) as cursor:
            await cursor.execute(statement, parameters)
            count, *values = (await cursor.fetchall())[0]
    if not count:
        return []
    each = iter(values)
    found = [Packed(next(each), 8) if kind is Kind.INTEGER else Packed(*islice(each, 3)) for kind in columns.values()]
    uneven = [name for name, column in zip(columns, found, strict=True) if not column.is_cut(count)]
    if not uneven:
        return found
    known = [name for name, column in zip(columns, found, strict=True) if column.lengths is not None]
    again = {**parameters, "uneven": [*known, *uneven]}
    return await _page(database, connection, statement, again, columns)


def packing(query: bytes, columns: Columns) -> bytes:
    """The statement that packs what `query` finds.

    >>> packing(b"SELECT n FROM t;", {"n": Kind.INTEGER})
    b"SELECT count(*), string_agg(int8send(n), ''::bytea) FROM (SELECT n FROM t) AS page"
    """
    packed = ", ".join((_INTEGER if kind is Kind.INTEGER else _VALUE).format(name) for name, kind in columns.items())
    return b"SELECT count(*), " + packed.encode() + b" FROM (" + query.strip().rstrip(b";") + b") AS page"


_INTEGER = "string_agg(int8send({0}), ''::bytea)"
_VALUE = (
    "string_agg({0}, ''::bytea), max(length({0})), "
    "string_agg(int4send(length({0})), ''::bytea) FILTER (WHERE '{0}' = ANY(%(uneven)s))"
)
