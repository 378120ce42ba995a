"""Drill: versions come and go, by canary and at once, while predictions go on; then each prediction is asked about."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec

from dissonance.adapters.clock import SystemRandomness
from dissonance.bootstrap import System, open_system
from dissonance.contracts.schema import Task
from dissonance.drills import census
from dissonance.drills.client import DissonanceClient
from dissonance.drills.system import RunningSystem
from dissonance.drills.who_answered.account import Account, Told, account_of
from dissonance.drills.who_answered.story import Say, Story
from dissonance.drills.who_answered.stream import People, Stream
from dissonance.errors import TimedOut
from dissonance.roles.listed import ROLES
from dissonance.settings import Settings

REPLICAS = ("proposer-1", "proposer-2")
GROUPS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(REPLICAS, ("proposer",)),
    "backstage": tuple(role for role in ROLES if role != "proposer"),
}
POLICY = {
    "golden_drop_max": 0.5,
    "harm_margin": 0.5,
    "latency_rise_max": 100.0,
    "second_look_confidence": 1.0,
    "canary_share": 0.5,
    "rollback_window_s": 1,
    "cooling_off_s": 0,
    "retrain_labels_enough": 1_000_000_000,
    "retrain_labels_min": 1_000_000_000,
    "label_budget_per_day": 0,
    "source_rows_per_hour": 1_000_000,
}
"""Models come when the drill says so, stay unless it takes them back, and every label counts at once."""

TRAINING_ROWS = 6_000
PEOPLE = 4_000
STORED_LIMIT_S = 120.0
LOOK_EVERY_S = 0.2


async def who_answered_drill(
    folder: Path, versions: int, rows_per_s: float, least: int, say: Say, tell: Callable[[int], None]
) -> Account:
    """At least three `versions`, `least` answers by each in each of its states; `tell` hears of each but the first."""
    folder.mkdir(parents=True, exist_ok=True)
    limits = folder / "policy.json"
    limits.write_text(json.dumps(POLICY))
    training = await asyncio.to_thread(census.write_training_file, folder, TRAINING_ROWS)
    people = People(*await asyncio.to_thread(census.traffic, PEOPLE))
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(RunningSystem(folder / "data", folder / "logs", GROUPS))
        await running.command(*census.create_arguments(training), "--policy", str(limits))
        await running.start_all()
        system = await stack.enter_async_context(open_system(Settings(data=str(folder / "data"))))
        task = await system.store.by_name(census.TASK)
        token = await running.token("client", "labeller", task=census.TASK)
        *replicas, learner = [
            await stack.enter_async_context(
                DissonanceClient(running.group_url(group), token, SystemRandomness(), tls=running.trust())
            )
            for group in GROUPS
        ]
        say(f"engines, {' and '.join(REPLICAS)} and the other roles are up; {rows_per_s:g} rows a second")
        stream, stop = Stream(replicas, people, rows_per_s), asyncio.Event()
        story = Story(running, system, task, learner, stream, least)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(stream.run(stop))
            try:
                await story.tell(versions, say, tell)
            finally:
                stop.set()
        say(f"asking about {len(stream.replies)} predictions")
        told = await _told(running, system, task, [reply.prediction_id for reply in stream.replies], folder)
        return account_of(stream.replies, told, story.canaries, await _critics(running))


async def _told(
    running: RunningSystem, system: System, task: Task, prediction_ids: list[str], folder: Path
) -> list[Told]:
    """By the command that an auditor has. Raises `TimedOut` where they are not stored."""
    try:
        async with asyncio.timeout(STORED_LIMIT_S):
            while await _stored(system, task) < len(prediction_ids):
                await asyncio.sleep(LOOK_EVERY_S)
    except TimeoutError as error:
        raise TimedOut("not every prediction was stored", where="drill", fix="read the logs of 'backstage'") from error
    file = folder / "predictions.txt"
    file.write_text("\n".join(prediction_ids))
    said = await running.command("models", "who-answered", census.TASK, "--file", str(file))
    return msgspec.convert(said, list[Told])


async def _stored(system: System, task: Task) -> int:
    counts = await system.store.counts(task.task_id)
    return counts.admitted + counts.blocked


async def _critics(running: RunningSystem) -> dict[int, int]:
    """The critic of each version, as the registry has it."""
    lines: list[dict[str, Any]] = await running.command("models", "list", census.TASK)
    return {line["parent"]: line["version"] for line in lines if line["role"] == "critic"}
