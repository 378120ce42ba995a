"""A stretch of event time judged again from the evidence in the hash chain, under its own policy or another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from dissonance.contracts.schema import Task
from dissonance.decisions.replaying import PolicyOf, Range, Replay, Replayed
from dissonance.errors import UnknownWindow
from dissonance.ports.store import Store

LINKS_AT_ONCE = 500
MOST_WINDOWS = 100_000
ALWAYS = Range(-(2**62), 2**62)


class ReplayOutcome(NamedTuple):
    """`links` of the chain were verified and read."""

    task: Task
    inside: Range
    links: int
    replayed: Replayed


async def replay(
    store: Store,
    name: str,
    inside: Range,
    policy_of: PolicyOf,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ReplayOutcome:
    """The whole chain is read in order, since what a row may spend depends on the rows before it; rows with event time
    `inside` are counted. `progress` is told links done and in all.

    Raises `UnknownTask`, `SealBroken` when the chain does not hold, or `EngineUnavailable`.
    """
    task = await store.by_name(name)
    links = await store.verify_chain(task.task_id)
    judging, after = Replay(inside, policy_of), 0
    while listed := await store.evidence(task.task_id, after, LINKS_AT_ONCE):
        await asyncio.to_thread(_add, judging, [evidence for _, evidence in listed])
        after = listed[-1][0]
        progress(min(after, links), links)
    return ReplayOutcome(task, inside, links, judging.result())


async def range_of_window(store: Store, name: str, window_id: str) -> Range:
    """Raises `UnknownTask` or `UnknownWindow`."""
    task = await store.by_name(name)
    for window in await store.windows(task.task_id, MOST_WINDOWS):
        if window.window_id == window_id:
            return Range(window.start_us, window.end_us)
    raise UnknownWindow(
        f"'{name}' has no window '{window_id}'", where="--window", fix="list them: GET /v1/tasks/TASK/windows"
    )


def _add(judging: Replay, evidence: list[bytes]) -> None:
    for each in evidence:
        judging.add(each)
