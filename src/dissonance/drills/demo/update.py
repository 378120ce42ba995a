"""The one update: watch the windows, ask for a retrained model when accuracy has fallen, promote it while serving."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from dissonance.contracts.api import WindowReply
from dissonance.contracts.times import to_us
from dissonance.drills.client import DissonanceClient
from dissonance.drills.demo.progress import Progress
from dissonance.drills.demo.result import Update
from dissonance.drills.demo.story import Span
from dissonance.drills.demo.stream import Pace
from dissonance.drills.demo.trigger import Fall, fallen
from dissonance.drills.system import RunningSystem
from dissonance.errors import EngineError, TimedOut

LOOK_EVERY_S = 1.0
SLOW_DOWN = 4.0
"""How much slower the stream runs while a model is made, so that the new one has something left to show."""

SWAP_EVERY_S = 0.1
SWAP_LIMIT_S = 60.0  # seconds that a promoted model may take to answer


class Clients(NamedTuple):
    """One for each process: the fast path, and everything behind it."""

    proposer: DissonanceClient
    backstage: DissonanceClient


async def windows_of(client: DissonanceClient, task: str, span: Span) -> list[WindowReply]:
    """Windows that touch `span`, in order of event time."""
    listed = (await client.windows(task)).windows
    inside = [w for w in listed if to_us(w.end, "end") > span.start_us and to_us(w.start, "start") < span.end_us]
    return sorted(inside, key=lambda window: window.start)


async def update_once(
    system: RunningSystem, clients: Clients, task: str, progress: Progress, pace: Pace, span: Span
) -> Update:
    """Look at the windows once a second; at the first clear fall retrain and promote, with traffic slowed down.

    Returns when the new version answers.
    """
    fall = None
    while fall is None:
        await asyncio.sleep(LOOK_EVERY_S)
        progress.windows = await windows_of(clients.backstage, task, span)
        fall = fallen(progress.windows)
    progress.note(f"realised accuracy fell from {fall.reference:.1%} to {fall.recent:.1%}: retraining")
    rows_per_s = pace.rows_per_s
    pace.rows_per_s = rows_per_s / SLOW_DOWN
    try:
        return await _update(system, clients, task, progress, fall)
    finally:
        pace.rows_per_s = rows_per_s


async def _update(system: RunningSystem, clients: Clients, task: str, progress: Progress, fall: Fall) -> Update:
    asked_us, asked_s, labels = progress.event_time_us, progress.elapsed_s, progress.labels_sent
    old = (await clients.proposer.models(task)).serving_version
    retrained = await system.command("models", "retrain", task)
    new = int(retrained["version"])
    progress.note(f"version {new} is trained and registered: promoting it while requests go on")
    await system.command("models", "promote", task, "--version", str(new))
    await _serving(clients.proposer, task, new)
    progress.model_version, progress.promoted_at_us = new, progress.event_time_us
    progress.note(f"version {new} answers")
    return Update(
        reference=fall.reference,
        recent=fall.recent,
        asked_at_us=asked_us,
        promoted_at_us=progress.event_time_us,
        seconds=progress.elapsed_s - asked_s,
        old_version=old,
        new_version=new,
        labels_available=labels,
        labels_used=int(retrained["labels"]),
        golden_before=_number(retrained, "golden_before"),
        golden_after=_number(retrained, "golden_after"),
    )


async def _serving(client: DissonanceClient, task: str, version: int) -> None:
    for _ in range(round(SWAP_LIMIT_S / SWAP_EVERY_S)):
        if (await client.models(task)).serving_version == version:
            return
        await asyncio.sleep(SWAP_EVERY_S)
    raise TimedOut(
        f"version {version} was promoted but does not answer", where="proposer", fix="see the proposer's log"
    )


def _number(answer: Any, name: str) -> float | None:
    value = answer.get(name)
    if value is None or isinstance(value, int | float):
        return value
    raise EngineError(f"{name} is no number: {value!r}", where="models retrain", fix="same version everywhere?")
