"""Connections to one PostgreSQL database: a pool that heals itself, and errors in our words.

After PostgreSQL died and came back, every connection of the pool is dead. Asking the socket whether the other end
hung up costs no round trip, so each connection is asked before it is used. A server that stands still, or is cut off,
never hangs up and runs no statement timeout: after a while we hang up, which ends the wait on this side.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext, suppress
from typing import Any, Self

import psycopg
from psycopg.pq import ConnStatus
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from dissonance.adapters.postgres.columns import with_columns
from dissonance.adapters.postgres.failures import is_unreachable, translated
from dissonance.adapters.postgres.queries import load_queries
from dissonance.adapters.postgres.sealed_texts import SealedTexts
from dissonance.errors import EngineError
from dissonance.ports.breaker import Breaker

CONNECT_S = 2
"""Seconds until an attempt to connect is given up."""

WAIT_S = 4.0
"""Seconds until a caller that gets no connection is told so."""

STATEMENT_S = 30.0
"""Seconds of one statement, unless a database has a limit of its own."""

HANG_UP_SLACK_S = 3.0
"""Seconds that the server gets beyond its statement's limit to say so, before we hang up."""

FAILURES = 2
REST_S = 1.0
"""Of a breaker: failures in a row that open it, and seconds until one call is tried."""

LOCK_MS = 10_000

ANYWHERE = "random_page_cost=1.1"
"""What lies in memory or on flash costs about the same wherever it lies: otherwise whoever asks for some thousand keys
reads the whole table."""

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
Parameters = Mapping[str, object]


class Database:
    """Named queries of one file on one database. Opens at first use; belongs to the event loop of that use.

    `statement_s`: seconds that the server may work on one statement. While `breaker` is open no call waits. `texts`:
    who seals values on their way in and opens them on their way out.
    """

    def __init__(
        self,
        url: str,
        *,
        queries: str,
        connections: int,
        statement_s: float = STATEMENT_S,
        breaker: Breaker | None = None,
        texts: SealedTexts | None = None,
    ) -> None:
        self.url = url
        self._texts = texts
        self._breaker = breaker
        self._refused: psycopg.Error | None = None
        self._limit_s = statement_s + HANG_UP_SLACK_S
        limits = f"-c statement_timeout={round(1000 * statement_s)} -c lock_timeout={LOCK_MS} -c {ANYWHERE}"
        self._queries = load_queries(queries)
        self._opening = asyncio.Lock()
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            kwargs={
                "autocommit": True,
                "connect_timeout": CONNECT_S,
                "context": with_columns(),
                "options": f"{limits} -c timezone=UTC",
                "prepare_threshold": 2,
                "keepalives_idle": 10,
                "keepalives_interval": 5,
                "keepalives_count": 3,
            },
            min_size=1,
            max_size=connections,
            timeout=WAIT_S,
            reconnect_timeout=WAIT_S,
            open=False,
            connection_class=_telling(self._tried),
        )

    @asynccontextmanager
    async def connection(self, doing: str, *, limited: bool = True) -> AsyncIterator[Connection]:
        """A live connection in autocommit mode. Raises `EngineUnavailable` or `EngineError`, naming `doing`.

        `limited`: everything done with it together may take as long as one statement.
        """
        if self._pool.closed:
            async with self._opening:
                if self._pool.closed:
                    await self._open(doing)
        with self._guarded(), translated(doing):
            connection = await self._live()
            try:
                with self.hanging_up(connection) if limited else nullcontext():
                    yield connection
            finally:
                await self._pool.putconn(connection)

    def hanging_up(self, connection: Connection) -> AbstractContextManager[None]:
        """Around what may take as long as one statement."""
        return _hanging_up(connection, self._limit_s)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        if self._breaker is None:
            yield
            return
        self._breaker.require()
        try:
            yield
        except EngineError as error:
            self._breaker.failed() if is_unreachable(error) else self._breaker.succeeded()
            raise
        self._breaker.succeeded()

    async def _open(self, doing: str) -> None:
        with translated(doing):
            await self._pool.open(wait=False)

    def _tried(self, refused: psycopg.Error | None) -> None:
        self._refused = refused

    async def _live(self) -> Connection:
        for _ in range(self._pool.max_size + 1):
            try:
                connection = await self._pool.getconn()
            except PoolTimeout as error:
                if self._refused is None:
                    raise
                raise self._refused.with_traceback(None) from error
            if not _hung_up(connection):
                return connection
            await connection.close()
            await self._pool.putconn(connection)
        raise PoolTimeout("every connection was closed by the other end")

    def query(self, name: str) -> bytes:
        """The statement of this name."""
        return self._queries[name]

    async def rows(self, query: str, parameters: Parameters) -> list[tuple[Any, ...]]:
        """All rows of a named query, values read in binary."""
        async with self.connection(query) as connection:
            return await self.rows_on(connection, query, parameters)

    async def rows_on(self, connection: Connection, query: str, parameters: Parameters) -> list[tuple[Any, ...]]:
        async with connection.cursor(binary=True) as cursor:
            await cursor.execute(self._queries[query], self._sealed(query, parameters))
            found = await cursor.fetchall()
        return found if self._texts is None else self._texts.rows(query, found)

    def opened(self, text: str) -> str:
        """What was sealed of a text of rows that came packed."""
        return text if self._texts is None else self._texts.text(text)

    async def execute(self, query: str, parameters: Parameters) -> int:
        """Rows that a named query touched."""
        async with self.connection(query) as connection:
            return await self.execute_on(connection, query, parameters)

    async def execute_on(self, connection: Connection, query: str, parameters: Parameters) -> int:
        return (await connection.execute(self._queries[query], self._sealed(query, parameters))).rowcount

    def _sealed(self, query: str, parameters: Parameters) -> Parameters:
        return parameters if self._texts is None else self._texts.parameters(query, parameters)

    async def close(self) -> None:
        if not self._pool.closed:
            await self._pool.close(timeout=WAIT_S)


def _telling(tried: Callable[[psycopg.Error | None], None]) -> type[Connection]:
    """Connections that tell what the last attempt to make one failed by, None for one that succeeded: whoever waits for
    the pool hears only that it waited."""

    class Telling(Connection):
        @classmethod
        async def connect(cls, *arguments: Any, **options: Any) -> Self:
            try:
                made = await super().connect(*arguments, **options)
            except psycopg.Error as error:
                tried(error)
                raise
            tried(None)
            return made

    return Telling


def _hung_up(connection: Connection) -> bool:
    """Whether the other end closed it. Reads what lies in the socket; waits for nothing."""
    try:
        for _ in range(2):  # a farewell message may lie before the end
            connection.pgconn.consume_input()
    except psycopg.OperationalError:
        return True
    return bool(connection.pgconn.status != ConnStatus.OK)


@contextmanager
def _hanging_up(connection: Connection, limit_s: float) -> Iterator[None]:
    """After `limit_s` seconds the wait on this connection ends as if the server had closed it."""
    timer = asyncio.get_running_loop().call_later(limit_s, _hang_up, connection)
    try:
        yield
    finally:
        timer.cancel()


def _hang_up(connection: Connection) -> None:
    with suppress(OSError, psycopg.OperationalError), socket.socket(fileno=os.dup(connection.pgconn.socket)) as end:
        end.shutdown(socket.SHUT_RDWR)
