"""The demo against the real system: engines and roles as processes, HTTP, the bus, the plain commands.

Order: engines, task, roles; the stream, with people who answer what the system asks; on the way the loop repairs the
model by itself, and somebody meddles; then the rest of the answers, the frozen model on the same rows, and the account.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from dissonance.bootstrap import System, open_system
from dissonance.contracts.schema import Task
from dissonance.contracts.times import to_text
from dissonance.data import acs_employment_path
from dissonance.drills.client import DissonanceClient
from dissonance.drills.demo.abreast import Abreast
from dissonance.drills.demo.account import drained
from dissonance.drills.demo.follow import Follower
from dissonance.drills.demo.frozen import frozen_answers
from dissonance.drills.demo.mischief import Mischief, meddle
from dissonance.drills.demo.people import People, truth_of
from dissonance.drills.demo.progress import Progress
from dissonance.drills.demo.result import DemoResult, StepTime
from dissonance.drills.demo.story import (
    FALL,
    MEDDLING_SPAN,
    PERSON,
    SEED,
    STREAM,
    TARGET,
    TIME,
    WINDOW_US,
    Story,
    build_story,
    write_training_file,
)
from dissonance.drills.demo.stream import Brake, Pace, Stream
from dissonance.drills.demo.summing_up import Observed, sum_up, windows_of
from dissonance.drills.system import RunningSystem
from dissonance.errors import DissonanceError
from dissonance.ports.clock import Clock, Randomness
from dissonance.settings import Settings

TASK = "acs-employment"
DAY_S = 86_400
POLICY = {
    "window_s": WINDOW_US // 1_000_000,
    "label_budget_per_day": 8,
    "retrain_labels_min": 150,
    "retrain_labels_enough": 1_000_000,
    "KL_eps": 0.1,
    "canary_share": 0.8,
    "canary_labels_min": 20,
    "canary_max_s": 45 * DAY_S,
    "rollback_window_s": 10 * DAY_S,
    "cooling_off_s": 10 * DAY_S,
}
"""What the demo's policy changes: three years go by in minutes, at 36 rows a day."""

ROWS_PER_S = 440.0  # where nothing happens; at 40,000 rows a day of event time goes by in 80 ms
SLOW_DOWN = 4.0  # how much slower it runs where something happens
LOOK_EVERY_S = 0.5


class DemoPlace(NamedTuple):
    """`work` holds data folder and training file, `out` the report, the result and the logs."""

    work: Path
    out: Path

    @property
    def data(self) -> Path:
        return self.work / "data"

    @property
    def logs(self) -> Path:
        return self.out / "logs"


class Clients(NamedTuple):
    """One for each process: the fast path, and everything behind it."""

    proposer: DissonanceClient
    backstage: DissonanceClient


class _Steps:
    """How long each step took."""

    def __init__(self, progress: Progress) -> None:
        self.done: list[StepTime] = []
        self._progress = progress

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        started_s = self._progress.elapsed_s
        self._progress.step = name
        self._progress.note(name)
        yield
        self.done.append(StepTime(name, self._progress.elapsed_s - started_s))


async def run_demo(
    place: DemoPlace, rows: int, progress: Progress, *, clock: Clock, randomness: Randomness
) -> DemoResult:
    """Run it all and stop what was started. Raises `DissonanceError` when a part cannot do its work."""
    started_at = to_text(clock.now_us())
    steps = _Steps(progress)
    with steps.step("draw the story from the census file"):
        story = await asyncio.to_thread(build_story, acs_employment_path(), rows)
        training, policy = await asyncio.to_thread(_write_inputs, place, story)
    async with AsyncExitStack() as stack:
        running = RunningSystem(place.data, place.logs)
        with steps.step("start PostgreSQL, NATS and MLflow"):
            await stack.enter_async_context(running)
        with steps.step("create the task: schema, golden holdout, proposer, critic, thresholds"):
            await running.command(*_create_arguments(training, policy))
        with steps.step("start the roles"):
            await running.start_all()
            clients = await stack.enter_async_context(_clients(running))
            system = await stack.enter_async_context(open_system(Settings(data=str(place.data))))
        walk = _Walk(running, clients, system, await system.store.by_name(TASK), story, progress, steps)
        result = await walk.through(started_at)
        with steps.step("stop roles and engines"):
            await stack.aclose()
    return msgspec.structs.replace(result, steps=steps.done, seconds=progress.elapsed_s)


class _Walk:
    """The part of the demo in which everything runs."""

    def __init__(
        self,
        running: RunningSystem,
        clients: Clients,
        system: System,
        task: Task,
        story: Story,
        progress: Progress,
        steps: _Steps,
    ) -> None:
        self._running = running
        self._clients = clients
        self._system = system
        self._task = task
        self._story = story
        self._progress = progress
        self._steps = steps
        self._brake = Brake(progress.waiting_for)
        self._follower = Follower(system, task.task_id, progress, self._brake)
        pace = Pace(ROWS_PER_S, progress.now_s, (FALL, MEDDLING_SPAN), ROWS_PER_S / SLOW_DOWN)
        self._stream = Stream(clients.proposer, TASK, story.stream, progress, pace, self._brake)
        truth = truth_of(self._stream.positions, story.stream.labels.tolist())
        self._people = People(clients.backstage, TASK, truth, progress)
        self._abreast = Abreast(system, task.task_id, self._people, progress, self._brake)

    async def through(self, started_at: str) -> DemoResult:
        progress, steps = self._progress, self._steps
        progress.model_version = (await self._clients.proposer.models(TASK)).serving_version
        with steps.step("stream"):
            mischief = await self._live()
        with steps.step("wait until everything is stored, answered, joined and restated"):
            await drained(self._system, self._task.task_id, progress)
            await self._people.finish()
            await drained(self._system, self._task.task_id, progress)
        with steps.step("the frozen model on the same rows"):
            frozen = await asyncio.to_thread(frozen_answers, self._system, self._task, self._story.stream)
        with steps.step("account for every row"):
            observed = Observed(
                story=self._story,
                task=self._task,
                managed=self._stream.answers,
                frozen=frozen,
                acknowledged=list(self._stream.positions),
                asked=self._people.asked,
                happenings=self._follower.happenings,
                mischief=mischief,
                requests=self._stream.requests,
                retries=self._clients.proposer.retries + self._clients.backstage.retries,
            )
            memory = await asyncio.to_thread(self._running.memory_bytes)
            return await sum_up(
                self._system,
                self._clients.backstage,
                observed,
                progress,
                steps=list(steps.done),
                started_at=started_at,
                memory_bytes=memory,
                seed=SEED,
            )

    async def _live(self) -> Mischief:
        """Everything at once; what only watches ends with the stream and the meddling."""
        try:
            async with asyncio.TaskGroup() as tasks:
                watching = [
                    tasks.create_task(each) for each in (self._follower.run(), self._abreast.run(), self._look())
                ]
                tasks.create_task(self._people.run())
                meddling = tasks.create_task(self._meddle())
                await tasks.create_task(self._stream.run())
                mischief = await meddling
                self._people.stop()
                for task in watching:
                    task.cancel()
        except* DissonanceError as group:
            raise _first(group) from group
        return mischief

    async def _meddle(self) -> Mischief:
        return await meddle(
            self._running,
            self._system,
            self._task,
            self._follower,
            self._progress,
            self._brake,
            from_us=MEDDLING_SPAN.start_us,
            seed=SEED,
        )

    async def _look(self) -> None:
        while True:
            self._progress.windows = await windows_of(self._clients.backstage, TASK, STREAM)
            await asyncio.sleep(LOOK_EVERY_S)


def _first(group: ExceptionGroup[DissonanceError]) -> DissonanceError:
    """What went wrong first; the rest was cancelled because of it."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, ExceptionGroup) else error


@asynccontextmanager
async def _clients(running: RunningSystem) -> AsyncIterator[Clients]:
    token = await running.token("client", "labeller", "viewer", task=TASK)
    async with (
        running.client("proposer", token) as proposer,
        running.client("evaluator", token) as backstage,
    ):
        yield Clients(proposer, backstage)


def _write_inputs(place: DemoPlace, story: Story) -> tuple[Path, Path]:
    place.work.mkdir(parents=True, exist_ok=True)
    training, policy = place.work / "training.parquet", place.work / "policy.json"
    write_training_file(story.train, training)
    policy.write_text(json.dumps(POLICY))
    return training, policy


def _create_arguments(training: Path, policy: Path) -> tuple[str, ...]:
    columns = ("--target", TARGET, "--time", TIME, "--subject", PERSON)
    return ("task", "create", TASK, "--data", str(training), *columns, "--policy", str(policy))
