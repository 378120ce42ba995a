"""Whoever does the pipeline's steps for a scheduler: on a system that is open, or opened anew for each step."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from dissonance.adapters.s3.files import S3Address
from dissonance.bootstrap import System
from dissonance.bootstrap_pipeline import DAGSTER, FOLDER, open_bench, open_source
from dissonance.contracts.events import RetrainRequested
from dissonance.contracts.schema import Task
from dissonance.contracts.times import to_us
from dissonance.contracts.topics import EventKind
from dissonance.errors import DissonanceError
from dissonance.pipeline.flow.bench import Bench
from dissonance.pipeline.flow.run import STEPS, Wish, records_of, request_of
from dissonance.pipeline.flow.step import run_step
from dissonance.pipeline.flow.work import Work
from dissonance.pipeline.workshop import Progress, no_progress
from dissonance.ports.steps import Done, Order, RunRequest, StepName, Trigger
from dissonance.settings import Settings

T = TypeVar("T")


class OnSystem(Protocol):
    """Blocks until it is done."""

    def __call__(self, use: Callable[[System], Awaitable[T]]) -> T: ...


class Pinned(NamedTuple):
    """What a command asked for already."""

    request: RunRequest
    bench: Bench


class StepHands:
    """`ports.steps.Hands`. `failure`: the last thing that a step raised."""

    def __init__(
        self,
        on: OnSystem,
        s3: S3Address,
        threads: int,
        *,
        pinned: Pinned | None = None,
        told: Callable[[Done], None] = lambda done: None,
        progress: Progress = no_progress,
    ) -> None:
        self._on = on
        self._s3 = s3
        self._threads = threads
        self._pinned = pinned
        self._told = told
        self._progress = progress
        self._work: Work | None = None
        self.failure: DissonanceError | None = None

    def do(self, step: StepName, run: str, order: Order) -> Done:
        wanted = next(each for each in STEPS if each.name is step)

        async def work(system: System) -> Done:
            return await run_step(await self._of(system, run, order, first=step is STEPS[0].name), wanted)

        try:
            done = self._on(work)
        except DissonanceError as error:
            self.failure = error
            raise
        self._told(done)
        return done

    def tasks(self) -> list[str]:
        async def names(system: System) -> list[str]:
            return [task.name for task in await system.store.all()]

        return self._on(names)

    def triggers(self, after_us: int) -> list[Trigger]:
        async def found(system: System) -> list[Trigger]:
            return [
                Trigger(event.event_id, task.name, event.reason, event.produced_at_us)
                for task in await system.store.all()
                for event in await system.bus.history([EventKind.RETRAIN_REQUESTED], task.task_id)
                if isinstance(event, RetrainRequested) and event.produced_at_us > after_us
            ]

        return sorted(self._on(found), key=lambda trigger: trigger.at_us)

    async def _of(self, system: System, run: str, order: Order, *, first: bool) -> Work:
        """A pinned run keeps what its steps share; else every step reads what it needs."""
        task = await system.store.by_name(order.task)
        if self._pinned is not None:
            if self._work is None:
                self._work = Work(self._pinned.bench, task, self._pinned.request, self._progress)
            return self._work
        return await self._scheduled(system, task, run, order, first=first)

    async def _scheduled(self, system: System, task: Task, run: str, order: Order, *, first: bool) -> Work:
        """Of a run that began with a later step: what was asked of the task last."""
        bench = open_bench(system)
        records = records_of(bench, task)
        request = records.scheduled(run)
        if request is None:
            request = await request_of(bench, task, self._wish(order)) if first else records.latest()
            records.keep_scheduled(run, request)
        if request.source:
            source = open_source(system, task, request.source, None, self._s3)
            bench = open_bench(system, source, request.cluster)
        return Work(bench, task, request)

    def _wish(self, order: Order) -> Wish:
        return Wish(
            source=order.source,
            as_of_us=to_us(order.as_of, "as_of") if order.as_of else None,
            seed=order.seed,
            threads=self._threads,
            reason=order.reason,
        )


def dagster_folder(settings: Settings) -> Path:
    return settings.data_folder / FOLDER / DAGSTER


def definitions(hands: StepHands) -> Any:
    """`dagster.Definitions`: what a code location of Dagster has."""
    from dissonance.adapters.dagster.definitions import build  # Dagster loads for seconds
    from dissonance.pipeline.flow.run import descriptions

    return build(descriptions(), hands)
