"""The soak: rows through every role, each a process of its own, at a steady rate for as long as it takes.

The system is the real one, as in the demo: HTTP in, every event over JetStream, rows in PostgreSQL, people who answer
the label queue, updates that are trained, judged and rolled out by the way. While it runs, memory and lag are looked
at; at the end every row and every label is accounted for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from dissonance.adapters.clock import SystemClock
from dissonance.adapters.nats.state import BrokerStates, StreamState, open_states
from dissonance.bootstrap import System, open_system
from dissonance.contracts.topics import EventKind
from dissonance.drills import census
from dissonance.drills.client import DissonanceClient, Patience
from dissonance.drills.demo.account import account, drained
from dissonance.drills.demo.people import People, truth_of
from dissonance.drills.demo.progress import Progress
from dissonance.drills.demo.result import Accounting
from dissonance.drills.demo.stream import Brake, Pace, Stream
from dissonance.drills.soak.counting import KINDS, Passed, passed
from dissonance.drills.soak.gauge import Sample, lag_of, look
from dissonance.drills.soak.labels import DELAY_US, LateLabels, Noted
from dissonance.drills.soak.traffic import TIME, Traffic, start_us, write_training_file
from dissonance.drills.system import ONE_EACH, RunningSystem
from dissonance.errors import DissonanceError
from dissonance.settings import Settings

SAMPLES = 200
"""About so many are taken."""

SHORTEST_S, LONGEST_S = 2.0, 10.0  # seconds between two samples
SETTLE_S = 60.0
LINE_EVERY = 20  # samples
CATCH_UP_S = 5.0
"""A machine that was busy elsewhere for a moment does not make the rate another one."""

PATIENCE = Patience(total_s=300.0)

Say = Callable[[str], None]
Tell = Callable[[int], None]


class SoakOutcome(NamedTuple):
    """`passed`, by kind of event; `streams`, what the broker says of itself at the end; `asked`, label requests that
    people took, by why they were asked; `lag_at_end`, messages that no consumer took within a minute after all was
    stored; `stream_s`, `drain_s` seconds."""

    rows: int
    rows_per_s: float
    stream_s: float
    drain_s: float
    samples: list[Sample]
    lag_at_end: dict[str, int]
    accounting: Accounting
    passed: dict[EventKind, Passed]
    streams: dict[EventKind, StreamState]
    asked: dict[str, int]


async def soak(folder: Path, rows: int, rows_per_s: float, say: Say, tell: Tell) -> SoakOutcome:
    """`tell` hears how many more rows were answered. Raises `DissonanceError` when a part cannot do its work."""
    folder.mkdir(parents=True, exist_ok=True)
    now_us = SystemClock().now_us()
    traffic = await asyncio.to_thread(Traffic, rows, now_us)
    training = await asyncio.to_thread(write_training_file, folder, start_us(rows, now_us))
    async with RunningSystem(folder / "data", folder / "logs", ONE_EACH) as running:
        await running.command(*census.create_arguments(training), "--time", TIME)
        await running.start_all()
        async with _connected(running, folder) as (proposer, learner, system, broker):
            say(f"{', '.join(ONE_EACH)} are up; {rows:,} rows at {rows_per_s:g} a second")
            soaking = _Soaking(running, proposer, learner, system, broker, traffic, rows_per_s, say, tell)
            return await soaking.through()


@asynccontextmanager
async def _connected(
    running: RunningSystem, folder: Path
) -> AsyncIterator[tuple[DissonanceClient, DissonanceClient, System, BrokerStates]]:
    token = await running.token("client", "labeller", "viewer", task=census.TASK)
    settings = Settings(data=str(folder / "data"))
    async with (
        running.client("proposer", token, patience=PATIENCE) as proposer,
        running.client("learner", token, patience=PATIENCE) as learner,
        open_system(settings) as system,
        open_states(system.addresses.nats_url, system.tls.client) as broker,
    ):
        yield proposer, learner, system, broker


class _Soaking:
    """The part in which everything runs."""

    def __init__(
        self,
        running: RunningSystem,
        proposer: DissonanceClient,
        learner: DissonanceClient,
        system: System,
        broker: BrokerStates,
        traffic: Traffic,
        rows_per_s: float,
        say: Say,
        tell: Tell,
    ) -> None:
        self._running, self._system, self._broker = running, system, broker
        self._clients = proposer, learner
        self._rows_per_s, self._say, self._tell = rows_per_s, say, tell
        self._progress = Progress(asyncio.get_running_loop().time, len(traffic))
        pace = Pace(rows_per_s, self._progress.now_s, catch_up_s=CATCH_UP_S)
        self._stream = Stream(proposer, census.TASK, traffic, self._progress, pace, Brake())
        self._noted = Noted(learner)
        positions = self._stream.positions
        truth = truth_of(positions, traffic.labels.tolist())
        self._people = People(self._noted, census.TASK, truth, self._progress, delay_us=DELAY_US)
        self._late = LateLabels(self._noted, census.TASK, positions, traffic.times_us, traffic.labels)
        self._samples: list[Sample] = []

    async def through(self) -> SoakOutcome:
        progress, task = self._progress, await self._system.store.by_name(census.TASK)
        await self._live()
        streamed_s = progress.elapsed_s
        self._say(
            f"{progress.acknowledged:,} rows answered in {streamed_s:.0f} s; waiting until all is stored and joined"
        )
        for finish in (self._late.finish, self._people.finish):
            await self._drained(task.task_id)
            await finish()
        await self._drained(task.task_id)
        drained_s = progress.elapsed_s
        lag_at_end = await self._settled()
        self._say("counting what went over the bus, and every row in the store")
        return SoakOutcome(
            rows=progress.rows_total,
            rows_per_s=self._rows_per_s,
            stream_s=streamed_s,
            drain_s=drained_s - streamed_s,
            samples=self._samples,
            lag_at_end=lag_at_end,
            accounting=await account(
                self._system,
                task.task_id,
                list(self._stream.positions),
                progress,
                requests=self._stream.requests,
                retries=sum(client.retries for client in self._clients),
            ),
            streams=await self._broker.read(),
            passed={kind: await passed(self._system.bus, kind) for kind in KINDS},
            asked=self._people.asked,
        )

    async def _drained(self, task_id: str) -> None:
        self._progress.labels_sent = len(self._noted.labelled)
        await drained(self._system, task_id, self._progress)

    async def _settled(self) -> dict[str, int]:
        """What waits when nothing does, or still does after `SETTLE_S`: some consumers rest between two batches."""
        begun_s = self._progress.elapsed_s
        while True:
            lag = lag_of(await self._broker.read())
            if not any(lag.values()) or self._progress.elapsed_s - begun_s > SETTLE_S:
                return lag
            await asyncio.sleep(SHORTEST_S)

    async def _live(self) -> None:
        """Everything at once; what only accompanies ends with the stream."""
        try:
            async with asyncio.TaskGroup() as tasks:
                beside = [
                    tasks.create_task(each)
                    for each in (self._people.run(), self._late.run(lambda: self._progress.event_time_us), self._look())
                ]
                await tasks.create_task(self._stream.run())
                for task in beside:
                    task.cancel()
        except* DissonanceError as group:
            raise _first(group) from group

    async def _look(self) -> None:
        progress, told = self._progress, 0
        every_s = min(LONGEST_S, max(SHORTEST_S, progress.rows_total / self._rows_per_s / SAMPLES))
        while True:
            await asyncio.sleep(every_s)
            sample = await look(self._running, self._broker, progress.elapsed_s, progress.acknowledged)
            self._samples.append(sample)
            self._tell(sample.rows - told)
            told = sample.rows
            if len(self._samples) % LINE_EVERY == 0:
                self._say(_line(sample, progress.rows_total))


def _line(sample: Sample, rows: int) -> str:
    held = sum(size for name, size in sample.memory_bytes.items()) / 2**20
    waits = max(sample.lag.items(), key=lambda each: each[1], default=("none", 0))
    return (
        f"{sample.elapsed_s:6.0f} s  {sample.rows:,} of {rows:,} rows, {sample.rows / sample.elapsed_s:,.0f} a second; "
        f"{held:,.0f} MiB; most waits for {waits[0]}: {waits[1]} messages; load {sample.load:.1f}"
    )


def _first(group: ExceptionGroup[DissonanceError]) -> DissonanceError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, ExceptionGroup) else error
