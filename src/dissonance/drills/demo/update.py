"""The one update: watch the windows, ask for a retrained model when accuracy has fallen, promote it while serving."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Protocol

from dissonance.contracts.api import ModelsReply, WindowReply, WindowsReply
from dissonance.contracts.times import to_us
from dissonance.drills.demo.progress import Progress
from dissonance.drills.demo.result import Update
from dissonance.drills.demo.story import Span
from dissonance.drills.demo.stream import Pace
from dissonance.drills.demo.trigger import Fall, fallen
from dissonance.errors import TimedOut

LOOK_EVERY_S = 1.0
SLOW_DOWN = 4.0
"""How much slower the stream runs while a model is made, so that the new one has something left to show."""

SWAP_EVERY_S = 0.1
SWAP_LIMIT_S = 60.0  # seconds that a promoted model may take to answer


class ReadsModels(Protocol):
    async def models(self, task: str) -> ModelsReply: ...


class ReadsWindows(Protocol):
    async def windows(self, task: str) -> WindowsReply: ...


class RunsCommands(Protocol):
    """`RunningSystem` is one."""

    async def command(self, *arguments: str) -> Any: ...


class Place(NamedTuple):
    """Where the update happens: commands, the two addresses that tell of it, and the task."""

    system: RunsCommands
    models: ReadsModels
    windows: ReadsWindows
    task: str


async def windows_of(client: ReadsWindows, task: str, span: Span) -> list[WindowReply]:
    """Windows that touch `span`, in order of event time."""
    listed = (await client.windows(task)).windows
    inside = [w for w in listed if to_us(w.end, "end") > span.start_us and to_us(w.start, "start") < span.end_us]
    return sorted(inside, key=lambda window: window.start)


async def update_once(
    place: Place,
    progress: Progress,
    pace: Pace,
    span: Span,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Update:
    """Look at the windows once a second; at the first clear fall retrain and promote, with traffic slowed down.

    Returns when the new version answers. Raises what the commands raise, `GateRefused` among it, and `TimedOut`.
    """
    fall = None
    while fall is None:
        await sleep(LOOK_EVERY_S)
        fall = fallen(await windows_of(place.windows, place.task, span))
    progress.note(f"realised accuracy fell from {fall.reference:.1%} to {fall.recent:.1%}: retraining")
    rows_per_s = pace.rows_per_s
    pace.rows_per_s = rows_per_s / SLOW_DOWN
    try:
        return await _update(place, progress, fall, sleep)
    finally:
        pace.rows_per_s = rows_per_s


async def _update(place: Place, progress: Progress, fall: Fall, sleep: Callable[[float], Awaitable[None]]) -> Update:
    asked_us, asked_s, labels = progress.event_time_us, progress.elapsed_s, progress.labels_sent
    retrained = await place.system.command("models", "retrain", place.task)
    new = int(retrained["version"])
    progress.note(f"version {new} is trained and registered: promoting it while requests go on")
    await place.system.command("models", "promote", place.task, "--version", str(new))
    await _serving(place, new, sleep)
    progress.model_version, progress.promoted_at_us = new, progress.event_time_us
    progress.note(f"version {new} answers")
    return Update(
        reference=fall.reference,
        recent=fall.recent,
        asked_at_us=asked_us,
        promoted_at_us=progress.event_time_us,
        seconds=progress.elapsed_s - asked_s,
        old_version=int(retrained["incumbent_version"]),
        new_version=new,
        labels_available=labels,
        labels_used=int(retrained["labels"]),
        golden_before=float(retrained["golden_before"]),
        golden_after=float(retrained["golden_after"]),
    )


async def _serving(place: Place, version: int, sleep: Callable[[float], Awaitable[None]]) -> None:
    for _ in range(round(SWAP_LIMIT_S / SWAP_EVERY_S)):
        if (await place.models.models(place.task)).serving_version == version:
            return
        await sleep(SWAP_EVERY_S)
    raise TimedOut(
        f"version {version} was promoted but does not answer", where="proposer", fix="see the proposer's log"
    )
