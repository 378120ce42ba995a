"""Drill: rows and their labels are replayed, and the loop trains, judges, tries and promotes until enough went live.

Event time goes by with the rows, 10,000 of them a day; the labels of all rows come seconds after they are answered.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import NamedTuple

from dissonance.adapters.clock import SystemClock
from dissonance.bootstrap import System, open_system
from dissonance.contracts.api import Label
from dissonance.contracts.events import Event, RolloutChanged, UpdateJudged
from dissonance.contracts.topics import EventKind
from dissonance.contracts.updates import RolloutPhase
from dissonance.contracts.verdicts import UpdateVerdict
from dissonance.drills import census
from dissonance.drills.client import DissonanceClient
from dissonance.drills.soak.traffic import TIME, Traffic, start_us, write_training_file
from dissonance.drills.system import TWO_PROCESSES, RunningSystem
from dissonance.errors import UnknownPrediction
from dissonance.settings import Settings

POLICY = {
    "retrain_labels_enough": 400,
    "canary_share": 0.5,
    "rollback_window_s": 1_800,
    "label_budget_per_day": 0,
}
"""An update for every 400 labels; half of the requests for a canary, so that its labels come soon."""

MOST_ROWS = 500_000
TRAINING_ROWS = 20_000
ROWS_PER_REQUEST = 10
LABELS_AFTER_S = 2.0
LABELS_AT_ONCE = 200
LOOK_EVERY_S = 0.2
HEARD = (EventKind.UPDATE_JUDGED, EventKind.ROLLOUT_CHANGED)

Say = Callable[[str], None]


class Deployed(NamedTuple):
    """One that was promoted: seconds since the stream began when it was accepted and when it went into production, and
    the labels that had come by then."""

    version: int
    accepted_s: float
    promoted_s: float
    labels: int


class Outcome(NamedTuple):
    """`refused` by the gate; `abandoned` canaries; `taken_back` after their promotion."""

    rows_per_s: float
    deployed: list[Deployed]
    refused: int
    abandoned: int
    taken_back: int
    rows: int
    labels: int
    seconds: float


async def deploy_drill(
    folder: Path, deployments: int, rows_per_s: float, limit_s: float, say: Say, tell: Callable[[int], None]
) -> Outcome:
    """Until so many went into production, or `limit_s` is over."""
    folder.mkdir(parents=True, exist_ok=True)
    now_us = SystemClock().now_us()
    traffic = await asyncio.to_thread(Traffic, MOST_ROWS, now_us)
    training = await asyncio.to_thread(write_training_file, folder, start_us(MOST_ROWS, now_us), TRAINING_ROWS)
    limits = folder / "policy.json"
    limits.write_text(json.dumps(POLICY))
    async with RunningSystem(folder / "data", folder / "logs", TWO_PROCESSES) as running:
        await running.command(*census.create_arguments(training), "--time", TIME, "--policy", str(limits))
        await running.start_all()
        token = await running.token("client", "labeller", task=census.TASK)
        async with (
            open_system(Settings(data=str(folder / "data"))) as system,
            running.client("proposer", token) as proposer,
            running.client("learner", token) as learner,
        ):
            say(f"engines and roles are up; {rows_per_s:g} rows and as many labels a second")
            return await _Deploying(system, proposer, learner, traffic, rows_per_s, say, tell).until(
                deployments, limit_s
            )


class _Deploying:
    """The part in which everything runs."""

    def __init__(
        self,
        system: System,
        proposer: DissonanceClient,
        learner: DissonanceClient,
        traffic: Traffic,
        rows_per_s: float,
        say: Say,
        tell: Callable[[int], None],
    ) -> None:
        self._system = system
        self._proposer = proposer
        self._learner = learner
        self._traffic = traffic
        self._rows_per_s = rows_per_s
        self._say = say
        self._tell = tell
        self._begun_s = asyncio.get_running_loop().time()
        self._due: deque[tuple[float, Label]] = deque()
        self._rows = self._labels = 0
        self._accepted: dict[int, float] = {}
        self._deployed: list[Deployed] = []
        self._ends: dict[str, int] = {"refused": 0, RolloutPhase.ABANDONED: 0, RolloutPhase.ROLLED_BACK: 0}

    async def until(self, deployments: int, limit_s: float) -> Outcome:
        async with self._system.bus.watch(HEARD) as events, asyncio.TaskGroup() as tasks:
            work = [tasks.create_task(each) for each in (self._listen(events), self._stream(), self._send_labels())]
            while len(self._deployed) < deployments and self._now_s() < limit_s and not work[1].done():
                await asyncio.sleep(LOOK_EVERY_S)
            for task in work:
                task.cancel()
        return Outcome(
            self._rows_per_s,
            self._deployed,
            self._ends["refused"],
            self._ends[RolloutPhase.ABANDONED],
            self._ends[RolloutPhase.ROLLED_BACK],
            self._rows,
            self._labels,
            self._now_s(),
        )

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time() - self._begun_s

    async def _stream(self) -> None:
        """Not faster than the rate; what the system is slower, the drill is slower."""
        for start in range(0, len(self._traffic), ROWS_PER_REQUEST):
            await asyncio.sleep(max(0.0, start / self._rows_per_s - self._now_s()))
            rows = self._traffic.rows(start, start + ROWS_PER_REQUEST)
            reply = await self._proposer.predict(census.TASK, rows)
            for position, prediction in enumerate(reply.predictions, start):
                label = Label(prediction.prediction_id, int(self._traffic.labels[position]))
                self._due.append((self._now_s() + LABELS_AFTER_S, label))
            self._rows += len(rows)

    async def _send_labels(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            due = [label for at_s, label in list(self._due)[:LABELS_AT_ONCE] if at_s <= self._now_s()]
            if not due:
                continue
            try:
                await self._learner.labels(census.TASK, due, "drill")
            except UnknownPrediction:
                continue  # the learner has not stored them yet
            for _ in due:
                self._due.popleft()
            self._labels += len(due)

    async def _listen(self, events: AsyncIterator[Event]) -> None:
        async for event in events:
            if isinstance(event, UpdateJudged):
                self._on_judged(event)
            elif isinstance(event, RolloutChanged):
                self._on_changed(event)

    def _on_judged(self, event: UpdateJudged) -> None:
        self._say(f"{self._now_s():.0f} s, {self._labels} labels: version {event.version} is {event.verdict.value}")
        if event.verdict is UpdateVerdict.ACCEPTED:
            self._accepted[event.version] = self._now_s()
        else:
            self._ends["refused"] += 1

    def _on_changed(self, event: RolloutChanged) -> None:
        self._say(f"{self._now_s():.0f} s: version {event.version}, {event.phase.value}: {event.reason}")
        if event.phase is RolloutPhase.ARMED:
            accepted_s = self._accepted.get(event.version, 0.0)
            self._deployed.append(Deployed(event.version, accepted_s, self._now_s(), self._labels))
            self._tell(1)
        elif event.phase in self._ends:
            self._ends[event.phase] += 1
