"""The demo against the real system: engines and roles as processes, HTTP, the bus, the plain commands.

Order: engines, task, roles; the comparison rows to the first version; the stream with its late labels, on the way
the update; the rest of the labels; the comparison rows to the new version; the account of every row.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import NamedTuple

from dissonance import __version__
from dissonance.bootstrap import System, open_system
from dissonance.contracts.policy import Policy
from dissonance.contracts.schema import Task
from dissonance.contracts.times import to_text
from dissonance.data import acs_employment_path
from dissonance.drills.client import DissonanceClient
from dissonance.drills.demo.account import account, drained, look, reasons_by_window
from dissonance.drills.demo.compare import compare
from dissonance.drills.demo.progress import Progress
from dissonance.drills.demo.result import Compared, DemoResult, StepTime, Update
from dissonance.drills.demo.story import (
    AFTER,
    BEFORE,
    PERSON,
    RETURN,
    SEED,
    STREAM,
    TARGET,
    TIME,
    WINDOW_US,
    Story,
    build_story,
    write_training_file,
)
from dissonance.drills.demo.stream import ROWS_PER_REQUEST, Hold, Pace, Stream
from dissonance.drills.demo.update import Place, update_once, windows_of
from dissonance.drills.records import describe_machine, find_commit
from dissonance.drills.system import RunningSystem
from dissonance.errors import DissonanceError
from dissonance.ports.clock import Clock, Randomness
from dissonance.settings import Settings

TASK = "acs-employment"
POLICY = {"window_s": WINDOW_US // 1_000_000}
"""What the demo's policy changes."""

STREAM_S = 100.0  # seconds that the stream takes, the update apart
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

    def seconds(self, name: str) -> float:
        return next(step.seconds for step in self.done if step.name == name)


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
            clients = await stack.enter_async_context(_clients(running, randomness))
            system = await stack.enter_async_context(open_system(Settings(data=str(place.data))))
        walk = _Walk(running, clients, system, await system.store.by_name(TASK), progress, steps)
        return await walk.through(story, started_at)


class _Walk:
    """The part of the demo in which everything runs."""

    def __init__(
        self,
        running: RunningSystem,
        clients: Clients,
        system: System,
        task: Task,
        progress: Progress,
        steps: _Steps,
    ) -> None:
        self._running = running
        self._clients = clients
        self._system = system
        self._task = task
        self._progress = progress
        self._steps = steps
        self._pace = Pace(progress.rows_total / STREAM_S, progress.now_s)
        self._stream = Stream(clients.proposer, clients.backstage, TASK, progress, self._pace)

    async def through(self, story: Story, started_at: str) -> DemoResult:
        progress, steps = self._progress, self._steps
        progress.model_version = (await self._clients.proposer.models(TASK)).serving_version
        with steps.step("comparison rows to the first version"):
            before = await self._stream.answers(story.comparison.during(BEFORE))
        with steps.step("stream"):
            update = await self._stream_and_update(story)
        with steps.step("wait until everything is stored, joined and restated"):
            await drained(self._system, self._task.task_id, progress)
            await self._stream.settle()
            await drained(self._system, self._task.task_id, progress)
        with steps.step("comparison rows to the new version"):
            after = await self._stream.answers(story.comparison.during(AFTER))
            await drained(self._system, self._task.task_id, progress)
        with steps.step("account for every row"):
            result = await self._result(story, started_at, update, compare(story.comparison, before, after))
        progress.step = "stop roles and engines"
        progress.note(progress.step)
        return result

    async def _stream_and_update(self, story: Story) -> Update:
        released = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as tasks:
                looking = tasks.create_task(self._look())
                updating = tasks.create_task(self._update(released))
                await tasks.create_task(self._stream.run(story.stream, Hold(RETURN.start_us, released)))
                update = await updating
                looking.cancel()
        except* DissonanceError as group:
            raise _first(group) from group
        return update

    async def _update(self, released: asyncio.Event) -> Update:
        place = Place(self._running, self._clients.proposer, self._clients.backstage, TASK)
        update = await update_once(place, self._progress, self._pace, STREAM)
        released.set()
        return update

    async def _look(self) -> None:
        while True:
            await look(self._system, self._task.task_id, self._progress)
            self._progress.windows = await windows_of(self._clients.backstage, TASK, STREAM)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _result(self, story: Story, started_at: str, update: Update, compared: list[Compared]) -> DemoResult:
        progress, task_id, store = self._progress, self._task.task_id, self._system.store
        policy: Policy = await store.policy(task_id)
        progress.windows = await windows_of(self._clients.backstage, TASK, STREAM)
        accounting = await account(
            self._system,
            task_id,
            self._stream.acknowledged,
            progress,
            requests=self._stream.requests,
            retries=self._clients.proposer.retries + self._clients.backstage.retries,
        )
        return DemoResult(
            version=__version__,
            commit=find_commit(Path(__file__).parent),
            started_at=started_at,
            machine=describe_machine(),
            task=TASK,
            rows=len(story.stream),
            seed=SEED,
            training_rows=len(story.train),
            training_group_quarters=int(story.train.group_quarters.sum()),
            training_left_out=story.thinned_away,
            stream_group_quarters=int(story.stream.group_quarters.sum()),
            steps=list(self._steps.done),
            seconds=progress.elapsed_s,
            stream_seconds=self._steps.seconds("stream"),
            rows_per_request=ROWS_PER_REQUEST,
            policy=policy,
            accounting=accounting,
            windows=progress.windows,
            reasons=await reasons_by_window(self._system, task_id, STREAM, policy),
            update=update,
            compared=compared,
            memory_bytes=await asyncio.to_thread(self._running.memory_bytes),
        )


def _first(group: ExceptionGroup[DissonanceError]) -> DissonanceError:
    """What went wrong first; the rest was cancelled because of it."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, ExceptionGroup) else error


@asynccontextmanager
async def _clients(running: RunningSystem, randomness: Randomness) -> AsyncIterator[Clients]:
    token = await running.token("client", "labeller", "viewer", task=TASK)
    async with (
        DissonanceClient(running.url("proposer"), token, randomness) as proposer,
        DissonanceClient(running.url("evaluator"), token, randomness) as backstage,
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
