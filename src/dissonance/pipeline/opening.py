"""Many sealed rows opened one chunk after the other, while the keys of the next chunk are on their way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from dissonance.contracts.schema import Task
from dissonance.pipeline.workshop import Workshop

T = TypeVar("T")

CHUNK_ROWS = 20_000
"""Rows whose keys are held at once, and as many more that are on their way."""


async def opened(
    workshop: Workshop,
    task: Task,
    data_subjects: Sequence[bytes],
    open_chunk: Callable[[Mapping[bytes, bytes], slice], list[T]],
) -> list[T]:
    """What `open_chunk` makes of n rows; in a thread, it is given the keys there are and which rows they are for.

    Raises what that raises, and `EngineUnavailable`.
    """
    done: list[T] = []
    chunks = [slice(start, start + CHUNK_ROWS) for start in range(0, len(data_subjects), CHUNK_ROWS)]
    coming = asyncio.create_task(_keys(workshop, task, data_subjects[:CHUNK_ROWS]))
    try:
        for chunk in chunks:
            keys = await coming
            coming = asyncio.create_task(_keys(workshop, task, data_subjects[chunk.stop :][:CHUNK_ROWS]))
            done += await asyncio.to_thread(open_chunk, keys, chunk)
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
    return done


async def _keys(workshop: Workshop, task: Task, data_subjects: Sequence[bytes]) -> dict[bytes, bytes]:
    return await workshop.keys.find(task.task_id, list(dict.fromkeys(data_subjects))) if data_subjects else {}
