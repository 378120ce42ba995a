"""Many sealed rows opened part by part, while the next parts and their keys are on their way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import NamedTuple, Protocol, TypeVar

from dissonance.contracts.schema import Task
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.keys import Unwrap

CHUNK_ROWS = 10_000
"""Rows that are opened at once."""

MOST_KEYS = 30_000
"""That are asked for at once."""


class Part(Protocol):
    """Some of the rows. `data_subjects`: whom each is about, by hash."""

    @property
    def data_subjects(self) -> Sequence[bytes]: ...


class Chunk(NamedTuple):
    """Of rows that are here: `rows` says which."""

    data_subjects: Sequence[bytes]
    rows: slice


P = TypeVar("P", bound=Part)
T = TypeVar("T")


async def opened(
    workshop: Workshop,
    task: Task,
    parts: AsyncGenerator[P, None],
    open_part: Callable[[P, Sequence[bytes | None]], list[T]],
) -> list[T]:
    """What `open_part` makes of the rows, in order; in a thread, it is given the key of each, None where there is none.

    Raises what that and `parts` raise, and `EngineUnavailable`.
    """
    done: list[T] = []
    read: asyncio.Queue[P | None] = asyncio.Queue()
    keyed: asyncio.Queue[tuple[list[P], Unwrap] | None] = asyncio.Queue()

    async def read_all() -> None:
        try:
            async with aclosing(parts):
                async for part in parts:
                    read.put_nowait(part)
        finally:
            read.put_nowait(None)

    async def fetch_keys() -> None:
        try:
            async for several in _growing(read):
                people = [each for part in several for each in part.data_subjects]
                keyed.put_nowait((several, await workshop.keys.fetch_each(task.task_id, people)))
        finally:
            keyed.put_nowait(None)

    running = [asyncio.create_task(read_all()), asyncio.create_task(fetch_keys())]
    try:
        while (each := await keyed.get()) is not None:
            several, unwrap = each
            done += await asyncio.to_thread(_open, open_part, several, unwrap)
        await asyncio.gather(*running)
    finally:
        for each_running in running:
            each_running.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    return done


async def _growing(read: asyncio.Queue[P | None]) -> AsyncGenerator[list[P], None]:
    """Parts of as many rows as came before together: a store finds many keys at once in less time each, and whoever
    opens them should not wait for the first."""
    before, several, rows = 0, list[P](), 0
    while (part := await read.get()) is not None:
        several.append(part)
        rows += len(part.data_subjects)
        if rows >= min(before, MOST_KEYS):
            yield several
            before, several, rows = before + rows, [], 0
    if several:
        yield several


def _open(open_part: Callable[[P, Sequence[bytes | None]], list[T]], parts: Sequence[P], unwrap: Unwrap) -> list[T]:
    keys, start, done = unwrap(), 0, list[T]()
    for part in parts:
        stop = start + len(part.data_subjects)
        done += open_part(part, keys[start:stop])
        start = stop
    return done


async def chunks(data_subjects: Sequence[bytes]) -> AsyncGenerator[Chunk, None]:
    """Of rows that are here, in order."""
    for start in range(0, len(data_subjects), CHUNK_ROWS):
        rows = slice(start, start + CHUNK_ROWS)
        yield Chunk(data_subjects[rows], rows)


def those_with_keys(found: Sequence[bytes | None]) -> tuple[list[int], list[bytes]]:
    """Which of the rows, and the keys of these."""
    keys = [key for key in found if key is not None]
    every = len(keys) == len(found)
    return list(range(len(found))) if every else [i for i, key in enumerate(found) if key is not None], keys
