"""What the loop does by itself, read from the bus. The demo only watches; it stops the stream while a model is made."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import NamedTuple, Protocol

import msgspec

from dissonance.contracts.events import (
    CandidateRegistered,
    Event,
    FindingRaised,
    HarmEstimated,
    ModelPromoted,
    ModelRolledBack,
    PolicyChanged,
    RetrainRequested,
    RolloutChanged,
    UpdateJudged,
)
from dissonance.contracts.topics import EventKind
from dissonance.contracts.verdicts import UpdateVerdict
from dissonance.drills.demo.progress import Progress
from dissonance.drills.demo.stream import Brake
from dissonance.errors import EngineUnavailable
from dissonance.ports.bus import Bus
from dissonance.ports.store import WindowStore

FOLLOWED = (
    EventKind.HARM_ESTIMATED,
    EventKind.RETRAIN_REQUESTED,
    EventKind.CANDIDATE_REGISTERED,
    EventKind.UPDATE_JUDGED,
    EventKind.ROLLOUT_CHANGED,
    EventKind.MODEL_PROMOTED,
    EventKind.MODEL_ROLLED_BACK,
    EventKind.POLICY_CHANGED,
    EventKind.FINDING_RAISED,
)
MAKING = "the next version is being trained and judged"
MAKING_LIMIT_S = 240.0
"""Seconds after which the stream goes on though no candidate was judged: more than a busy machine takes to make one."""

RECONNECT_S = 0.5
LATEST_WINDOWS = 20
NEWS_US = 60 * 86_400 * 1_000_000  # event time in which harm is told once


class Watched(Protocol):
    """What is followed; `bootstrap.System` is one."""

    @property
    def bus(self) -> Bus: ...

    @property
    def store(self) -> WindowStore: ...


class Happening(msgspec.Struct, frozen=True):
    """One thing that the loop did, and the event time that the stream had come to. `version`: of the model, if any."""

    elapsed_s: float
    event_time_us: int
    kind: str
    version: int | None
    text: str
    numbers: dict[str, float] = {}


class _Told(NamedTuple):
    version: int | None
    text: str
    numbers: Mapping[str, float]


class Follower:
    """`happenings` in the order they were heard of."""

    def __init__(self, system: Watched, task_id: str, progress: Progress, brake: Brake) -> None:
        self.happenings: list[Happening] = []
        self._bus = system.bus
        self._store = system.store
        self._task_id = task_id
        self._progress = progress
        self._brake = brake
        self._limit: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                async with self._bus.watch(FOLLOWED) as events:
                    async for event in events:
                        if event.task_id == self._task_id:
                            await self.hear(event)
            except EngineUnavailable:
                await asyncio.sleep(RECONNECT_S)

    async def hear(self, event: Event) -> None:
        """Remember it, show it, and stop or release the stream."""
        if isinstance(event, RetrainRequested):
            self._brake.hold(MAKING)
            self._limit = asyncio.get_running_loop().call_later(MAKING_LIMIT_S, self._brake.release, MAKING)
        elif isinstance(event, UpdateJudged):
            self._brake.release(MAKING)
            if self._limit is not None:
                self._limit.cancel()
        told = tell(event)
        if told is None:
            return
        progress, numbers = self._progress, dict(told.numbers)
        at_us = progress.event_time_us
        if isinstance(event, ModelPromoted):
            progress.promoted_at_us = at_us
        if isinstance(event, HarmEstimated):
            numbers["labels_of_window"] = await self._labels_of(event.window_id)
        if not isinstance(event, HarmEstimated) or self._is_news(event.KIND, at_us):
            progress.note(told.text)
        self.happenings.append(Happening(progress.elapsed_s, at_us, event.KIND.value, told.version, told.text, numbers))

    async def _labels_of(self, window_id: str) -> float:
        """How many labels of the window are joined now."""
        windows = await self._store.windows(self._task_id, LATEST_WINDOWS)
        return float(sum(window.labelled for window in windows if window.window_id == window_id))

    def _is_news(self, kind: EventKind, at_us: int) -> bool:
        return all(at_us - each.event_time_us > NEWS_US for each in self.heard(kind))

    def heard(self, kind: EventKind, after: int = 0) -> list[Happening]:
        """Of one kind, from the position `after` on."""
        return [each for each in self.happenings[after:] if each.kind == kind.value]


def tell(event: Event) -> _Told | None:
    """One line about it; None for what needs none."""
    match event:
        case HarmEstimated():
            return _Told(
                None,
                f"harm, before its labels came: accuracy estimated at {event.estimated_accuracy:.1%}, "
                f"it was {event.reference_accuracy:.1%}{_carried(event)}",
                {"estimated_accuracy": event.estimated_accuracy, "reference_accuracy": event.reference_accuracy},
            )
        case RetrainRequested():
            return _Told(None, f"an update is due ({event.cause.value}): {event.reason}", {})
        case CandidateRegistered():
            return _Told(event.version, f"version {event.version} is trained{_step(event)}", event.numbers)
        case UpdateJudged():
            return _Told(event.version, _judgement(event), {})
        case RolloutChanged():
            return _Told(event.version, f"version {event.version}, {event.phase.value}: {event.reason}", {})
        case ModelRolledBack():
            return _Told(event.version, f"rolled back to version {event.version}: {event.reason}", {})
        case ModelPromoted():
            return _Told(event.version, f"version {event.version} answers: {event.reason}", {})
        case PolicyChanged():
            return _Told(None, f"policy {event.version} by {event.by}: {event.reason}", {})
        case FindingRaised():
            return _Told(None, f"auditor, {event.severity}: {event.what}", {})
        case _:
            return None


def _carried(event: HarmEstimated) -> str:
    """What carries most of the drop, if it is said."""
    for name, carried in (event.slices or event.features).items():
        return f"; {name} carries {carried * 100:.1f} points"
    return ""


def _step(event: CandidateRegistered) -> str:
    numbers = event.numbers
    if "step" not in numbers or "kl" not in numbers:
        return ""
    return (
        f": {numbers['step']:.0%} of the way to what {numbers.get('labels', 0):,.0f} labels teach, "
        f"mean KL {numbers['kl']:.4f} nats"
    )


def _judgement(event: UpdateJudged) -> str:
    failed = [finding.what for finding in event.findings if not finding.holds]
    said = f"the gate on version {event.version}: {event.verdict.value}"
    if event.verdict is UpdateVerdict.OVERRIDDEN:
        said += f" by {event.by} ({event.reason})"
    return f"{said}: {'; '.join(failed)}" if failed else f"{said}, {len(event.findings)} rules hold"
