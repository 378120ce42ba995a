"""The steps of the pipeline on doubles and a folder: a bench, and sources that hold a table."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pandas
import pyarrow as pa

from dissonance.adapters.files.local import LocalFiles
from dissonance.adapters.pandera.checks import PanderaChecks
from dissonance.contracts.schema import Task
from dissonance.pipeline.flow.bench import Bench
from dissonance.pipeline.flow.run import STEPS, Wish, request_of, run_all
from dissonance.pipeline.flow.step import run_step
from dissonance.pipeline.flow.work import Work
from dissonance.ports.steps import Done, RunRequest, StepName, StepRecord
from support.workshop import Workshop


class TableSource:
    """`ports.sources.RowSource` of a frame; `readings` counts how often it was read."""

    def __init__(self, data: pandas.DataFrame, shown: str = "a table") -> None:
        self.shown = shown
        self.readings = 0
        self._table = pa.Table.from_pandas(data, preserve_index=False)

    async def read(self, columns: Sequence[str]) -> pa.Table:
        self.readings += 1
        return self._table.select([name for name in columns if name in self._table.column_names])


def bench(work: Workshop, folder: Path, source: TableSource | None = None) -> Bench:
    return Bench(
        workshop=work,
        files=LocalFiles(),
        folder=str(folder / "pipeline"),
        hash_key=b"\x03" * 32,
        sealing_key=b"\x04" * 32,
        checks=PanderaChecks(),
        source=source,
    )


def request(at: Bench, task: Task, **wish: Any) -> RunRequest:
    source = "" if at.source is None else at.source.shown
    return asyncio.run(request_of(at, task, Wish(source=source, **wish)))


def run(at: Bench, task: Task, asked: RunRequest | None = None, **wish: Any) -> dict[StepName, Done]:
    done = asyncio.run(run_all(at, task, asked or request(at, task, **wish)))
    return {each.record.step: each for each in done}


def run_until(at: Bench, task: Task, last: StepName, **wish: Any) -> dict[StepName, Done]:
    """The steps up to `last`, by whoever does one at a time."""

    async def steps() -> dict[StepName, Done]:
        work = Work(at, task, await request_of(at, task, Wish("" if at.source is None else at.source.shown, **wish)))
        names = [step.name for step in STEPS]
        return {step.name: await run_step(work, step) for step in STEPS[: names.index(last) + 1]}

    return asyncio.run(steps())


def record(done: dict[StepName, Done], step: StepName) -> StepRecord:
    return done[step].record


def with_policy(work: Workshop, task: Task, **limits: float) -> None:
    """Set these values of the policy; the others stay."""
    policy = asyncio.run(work.store.policy(task.task_id))
    changed = msgspec.structs.replace(policy, version=policy.version + 1, **limits)
    asyncio.run(work.store.set_policy(task.task_id, changed, reason="a test", by="a test"))
