"""PostgreSQL stands still: it is there, keeps every connection, and answers nothing."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from dissonance.adapters.embedded.state import engine_pids
from dissonance.adapters.postgres.database import Database
from dissonance.errors import EngineUnavailable
from support.engines import running_engines


@contextmanager
def standing_still(folder: Path) -> Iterator[None]:
    """The server and all its sessions get no processor until the block ends."""
    postmaster = psutil.Process(engine_pids(folder)["postgresql"])
    processes = [postmaster, *postmaster.children(recursive=True)]
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)


def test_a_server_that_stands_still_is_given_up_and_used_again_when_it_goes_on(tmp_path: Path) -> None:
    async def story(url: str) -> None:
        database = Database(url, queries="queries.sql", connections=1, statement_s=0.2)
        try:
            async with database.connection("ask") as connection:
                await connection.execute("SELECT 1")
            with standing_still(tmp_path), pytest.raises(EngineUnavailable, match="could not run 'ask'"):
                async with database.connection("ask") as connection:
                    await connection.execute("SELECT 1")
            async with database.connection("ask again") as connection:
                assert await (await connection.execute("SELECT 1")).fetchone() == (1,)
        finally:
            await database.close()

    with running_engines(tmp_path, nats=False) as addresses:
        asyncio.run(story(addresses.database_url))
