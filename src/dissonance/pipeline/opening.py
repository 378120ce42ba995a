"""Many sealed rows opened one chunk after the other, while the keys of the next chunks are on their way."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from dissonance.contracts.schema import Task
from dissonance.pipeline.workshop import Workshop

T = TypeVar("T")

CHUNK_ROWS = 20_000
"""Rows that are opened at once."""

CHUNKS_AHEAD = 3
"""Chunks whose keys are on their way: one alone often came late, since whoever opens leaves little time to receive."""


async def opened(
    workshop: Workshop,
    task: Task,
    data_subjects: Sequence[bytes],
    open_chunk: Callable[[Sequence[bytes | None], slice], list[T]],
) -> list[T]:
    """What `open_chunk` makes of n rows; in a thread, it is given the key of each, None where there is none, and which
    rows they are for.

    Raises what that raises, and `EngineUnavailable`.
    """
    done: list[T] = []
    chunks = [slice(start, start + CHUNK_ROWS) for start in range(0, len(data_subjects), CHUNK_ROWS)]
    ahead = iter(chunks)
    coming: deque[asyncio.Task[list[bytes | None]]] = deque()

    def ask() -> None:
        if (chunk := next(ahead, None)) is not None:
            coming.append(asyncio.create_task(workshop.keys.find_each(task.task_id, data_subjects[chunk])))

    for _ in range(CHUNKS_AHEAD):
        ask()
    try:
        for chunk in chunks:
            keys = await coming[0]
            coming.popleft()
            ask()
            done += await asyncio.to_thread(open_chunk, keys, chunk)
    finally:
        for each in coming:
            each.cancel()
        await asyncio.gather(*coming, return_exceptions=True)
    return done
