"""What the drill runs on: the embedded system with two replicas of the proposer, each under an open-loop load."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from dissonance.bootstrap import System, open_system
from dissonance.contracts.api import RowsRequest
from dissonance.contracts.schema import Task
from dissonance.drills import census
from dissonance.drills.faults.load import OpenLoad
from dissonance.drills.replicas import GROUPS, REPLICAS, under_load
from dissonance.drills.system import RunningSystem
from dissonance.pipeline.workshop import Workshop
from dissonance.settings import Settings

POLICY = {"window_by": "rows", "window_rows": 200, "rollback_window_s": 86_400}
"""Windows of some seconds of the load, and a watch that outlasts the drill."""

TRAINING_ROWS = 8_000
PEOPLE = 2_000
Say = Callable[[str], None]
Prepare = Callable[[Workshop, Task], Awaitable[int]]
"""Registers a model; its version."""


class Stage(NamedTuple):
    """`loads` by replica; `versions`: two real ones, the first in production; `prepared`: others, by name."""

    running: RunningSystem
    system: System
    task: Task
    loads: dict[str, OpenLoad]
    versions: tuple[int, int]
    prepared: Mapping[str, int]


class Asks:
    """One row a request, of people who come again and again."""

    def __init__(self) -> None:
        records, _ = census.traffic(PEOPLE)
        self._bodies = [msgspec.json.encode(RowsRequest([record])) for record in records]

    def body(self, number: int) -> bytes:
        return self._bodies[number % len(self._bodies)]


@asynccontextmanager
async def staged(folder: Path, rate: float, say: Say, prepare: Mapping[str, Prepare]) -> AsyncIterator[Stage]:
    """Entered when every replica answers its share of `rate` requests a second; left when all were answered. Models are
    prepared before: what computes in this process would hold up the load that it makes."""
    folder.mkdir(parents=True, exist_ok=True)
    limits = folder / "policy.json"
    limits.write_text(json.dumps(POLICY))
    training = await asyncio.to_thread(census.write_training_file, folder, TRAINING_ROWS)
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(RunningSystem(folder / "data", folder / "logs", GROUPS))
        await running.command(*census.create_arguments(training), "--policy", str(limits))
        retrained = await running.command("models", "retrain", census.TASK)
        # By hand only what was in production before goes back there.
        await running.command(
            "models", "promote", census.TASK, "--version", str(retrained["version"]), "--override", "drill"
        )
        await running.command("models", "rollback", census.TASK)
        await running.start_all()
        system = await stack.enter_async_context(open_system(Settings(data=str(folder / "data"))))
        task = await system.store.by_name(census.TASK)
        prepared = {name: await register(system, task) for name, register in prepare.items()}
        say(f"engines, {' and '.join(REPLICAS)} and the other roles are up; {rate:g} requests a second")
        loads = await stack.enter_async_context(under_load(running, await asyncio.to_thread(Asks), rate))
        yield Stage(running, system, task, loads, (1, int(retrained["version"])), prepared)
