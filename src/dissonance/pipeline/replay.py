"""A stretch of event time judged again from the evidence in the hash chain, under its own policy or another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from dissonance.contracts.columns import derived_id
from dissonance.contracts.schema import Task
from dissonance.decisions.replaying import PolicyOf, Range, Replay, Replayed
from dissonance.errors import UnknownWindow
from dissonance.ports.replays import ReplayedVerdict, ReplayRecord
from dissonance.ports.store import Store

LINKS_AT_ONCE = 500
MOST_WINDOWS = 100_000
ALWAYS = Range(-(2**62), 2**62)


class Keeping(NamedTuple):
    """That a replay is to be kept: how its policy is named, and the time."""

    policy: str
    now_us: int


class ReplayOutcome(NamedTuple):
    """`links` of the chain were verified and read. `replay_id`: under which it is kept; None when it is not."""

    task: Task
    inside: Range
    links: int
    replayed: Replayed
    replay_id: str | None = None


async def replay(
    store: Store,
    name: str,
    inside: Range,
    policy_of: PolicyOf,
    progress: Callable[[int, int], None] = lambda done, total: None,
    keep: Keeping | None = None,
) -> ReplayOutcome:
    """The whole chain is read in order, since what a row may spend depends on the rows before it; rows with event time
    `inside` are counted. `progress` is told links done and in all. With `keep` what comes out otherwise is kept beside
    what was recorded; to do that again changes nothing.

    Raises `UnknownTask`, `SealBroken` when the chain does not hold, or `EngineUnavailable`.
    """
    task = await store.by_name(name)
    links = await store.verify_chain(task.task_id)
    replay_id = None if keep is None else _replay_id(task.task_id, inside, keep.policy, links)
    judging, after = Replay(inside, policy_of), 0
    while after < links and (listed := await store.evidence(task.task_id, after, min(LINKS_AT_ONCE, links - after))):
        await asyncio.to_thread(_add, judging, [evidence for _, evidence in listed])
        differing = judging.take_differing()
        if replay_id is not None:
            await store.add_replayed(task.task_id, replay_id, [ReplayedVerdict(*each) for each in differing])
        after = listed[-1][0]
        progress(after, links)
    outcome = ReplayOutcome(task, inside, links, judging.result(), replay_id)
    if keep is not None:
        await store.save_replay(task.task_id, _record(outcome, keep))
    return outcome


def _replay_id(task_id: str, inside: Range, policy: str, links: int) -> str:
    return derived_id("replay", [task_id, str(inside.start_us), str(inside.end_us), policy, str(links)])


def _record(outcome: ReplayOutcome, keep: Keeping) -> ReplayRecord:
    (start_us, end_us), replayed = outcome.inside, outcome.replayed
    return ReplayRecord(
        replay_id=outcome.replay_id or "",
        start_us=None if start_us == ALWAYS.start_us else start_us,
        end_us=None if end_us == ALWAYS.end_us else end_us,
        policy=keep.policy,
        links=outcome.links,
        rows=replayed.rows,
        differing=sum(count for (before, now), count in replayed.transitions.items() if before is not now),
        made_at_us=keep.now_us,
    )


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
