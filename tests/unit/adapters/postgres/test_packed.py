"""Pages of one moment: nothing that is said to the server may take forever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, cast

import pytest

from dissonance.adapters.postgres.database import Database
from dissonance.adapters.postgres.packed import Kind, packed_pages

PAGES = [(2_000, bytes(8 * 2_000)), (1, bytes(8))]


class Server:
    """A database, its connection and its cursor in one: notes what it is told, and under how many limits."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []
        self._limits = 0
        self._pages = iter(PAGES)

    def query(self, name: str) -> bytes:
        return name.encode()

    @asynccontextmanager
    async def connection(self, doing: str, *, limited: bool = True) -> AsyncIterator[Server]:
        yield self

    @contextmanager
    def hanging_up(self, connection: object) -> Iterator[None]:
        self._limits += 1
        try:
            yield
        finally:
            self._limits -= 1

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        self._note("begin")
        try:
            yield
        finally:
            self._note("end")

    @asynccontextmanager
    async def cursor(self, *, binary: bool) -> AsyncIterator[Server]:
        yield self

    async def execute(self, statement: object, parameters: Mapping[str, object] | None = None) -> None:
        self._note("set" if parameters is None else "page")

    async def fetchall(self) -> list[tuple[Any, ...]]:
        return [next(self._pages)]

    def _note(self, what: str) -> None:
        self.told.append((what, self._limits))


async def pages_of(server: Server, most: int) -> int:
    pages = packed_pages(cast(Database, server), "numbers", {"n": Kind.INTEGER}, {}, lambda columns: {})
    read = 0
    async for _ in pages:
        read += 1
        if read == most:
            break
    await pages.aclose()
    return read


@pytest.mark.parametrize("most", [1, 2])
def test_begin_pages_and_end_have_a_limit_each(most: int) -> None:
    server = Server()
    assert asyncio.run(pages_of(server, most)) == most
    assert [what for what, _ in server.told] == ["begin", "set", *["page"] * most, "end"]
    assert {limits for _, limits in server.told} == {1}
