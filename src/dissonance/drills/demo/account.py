"""Where every row went: acknowledged ids against the store and the dead letters, one by one."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from dissonance.contracts.codec import decode
from dissonance.contracts.events import Predicted
from dissonance.contracts.ids import id_from_text
from dissonance.contracts.policy import Policy
from dissonance.contracts.topics import EventKind
from dissonance.contracts.updates import RolloutPhase
from dissonance.drills.demo.progress import Progress
from dissonance.drills.demo.result import Accounting, ReasonCount
from dissonance.drills.demo.story import Span
from dissonance.errors import ContractError
from dissonance.ports.bus import Bus
from dissonance.ports.store import Store

BEHIND = {
    "learner-labels": (EventKind.LABELLED,),
    "evaluator": (EventKind.EXPERIENCED, EventKind.LABELS_JOINED),
    "evaluator-estimates": (EventKind.WINDOW_EVALUATED,),
}
"""Consumers whose work comes after a row or a label is stored."""

CHUNK = 5_000
LOOK_EVERY_S = 0.5
STILL_S = 60.0  # seconds without any progress after which waiting ends and the account tells what is missing


class Rows(Protocol):
    """What the account needs of a system; `bootstrap.System` is one."""

    @property
    def store(self) -> Store: ...

    @property
    def bus(self) -> Bus: ...


async def look(system: Rows, task_id: str, progress: Progress) -> None:
    """Read how far the store is into `progress`."""
    counts = await system.store.counts(task_id)
    progress.admitted, progress.blocked = counts.admitted, counts.blocked
    progress.labels_joined = (await system.store.label_figures(task_id)).joined
    progress.policy = await system.store.policy(task_id)
    rollout = await system.store.rollout(task_id)
    if rollout is not None:
        progress.model_version = rollout.leaves_in_production
        progress.canary_version = rollout.version if rollout.phase is RolloutPhase.CANARY else None


async def drained(
    system: Rows,
    task_id: str,
    progress: Progress,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Wait until every acknowledged row is stored, every label joined and every window restated.

    Returns also when nothing has moved for `STILL_S` seconds; the account then says what is missing.
    """
    moved_s, seen = progress.now_s(), (-1, -1, -1)
    while progress.now_s() - moved_s < STILL_S:
        await look(system, task_id, progress)
        dead = await dead_ids(system, task_id)
        lag = sum([await system.bus.lag(name, kinds) for name, kinds in BEHIND.items()])
        stored = progress.admitted + progress.blocked
        labels_done = progress.labels_joined >= progress.labels_sent
        if stored + len(dead) >= progress.acknowledged and labels_done and lag == 0:
            return
        if (stored, progress.labels_joined, lag) != seen:
            moved_s, seen = progress.now_s(), (stored, progress.labels_joined, lag)
        await sleep(LOOK_EVERY_S)


async def account(
    system: Rows, task_id: str, acknowledged: Sequence[str], progress: Progress, *, requests: int, retries: int
) -> Accounting:
    ids = [id_from_text(text) for text in acknowledged]
    stored: set[bytes] = set()
    for start in range(0, len(ids), CHUNK):
        stored |= (await system.store.outcomes(task_id, ids[start : start + CHUNK])).keys()
    counts = await system.store.counts(task_id)
    dead = await dead_ids(system, task_id) - stored
    return Accounting(
        acknowledged=len(ids),
        admitted=counts.admitted,
        blocked=counts.blocked,
        dead_lettered=len(dead),
        missing=len(set(ids) - stored - dead),
        unexpected=counts.admitted + counts.blocked - len(stored),
        labels_sent=progress.labels_sent,
        labels_joined=(await system.store.label_figures(task_id)).joined,
        requests=requests,
        retries=retries,
        verdict_chain_links=await system.store.verify_chain(task_id),
    )


async def dead_ids(system: Rows, task_id: str) -> set[bytes]:
    """Prediction ids in dead letters of rows on their way to the store."""
    found: set[bytes] = set()
    for letter in await system.bus.dead_letters():
        if letter.task_id != task_id:
            continue
        try:
            event = decode(letter.data)
        except ContractError:
            continue  # it names no ids that could be read; its rows stay missing, which the account shows
        if isinstance(event, Predicted):
            found.update(event.prediction_ids)
    return found


async def reasons_by_window(system: Rows, task_id: str, span: Span, policy: Policy) -> list[ReasonCount]:
    """Verdicts of the rows with event time in `span`, by window and reason."""
    width_us = policy.window_s * 1_000_000
    counts: Counter[tuple[int, str, str]] = Counter()
    for row in await system.store.between(task_id, span.start_us, span.end_us):
        start_us = row.event_time_us // width_us * width_us
        counts[start_us, row.reason.value, row.verdict.value] += 1
    return [ReasonCount(start_us, reason, verdict, n) for (start_us, reason, verdict), n in sorted(counts.items())]
