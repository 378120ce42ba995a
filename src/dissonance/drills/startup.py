"""Drill: how long `dissonance up` takes until every engine answers, and what the whole embedded system holds in memory.

Measured from the command to its line that says ready: on an empty folder, and again on the folder it left. The
memory is that of engines, supervisor and all five roles in one process, with a task that has answered rows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from dissonance.adapters.clock import SystemClock
from dissonance.drills import census
from dissonance.drills.records import AtMost, Raw, Record, make_record
from dissonance.drills.system import RunningSystem

ALL_IN_ONE = {"roles": ("proposer", "critic", "gate", "learner", "evaluator")}
TRAINING_ROWS = 20_000
ANSWERED_ROWS = 2_000
ROWS_PER_REQUEST = 200
LONGEST_READY_S = 20.0

Say = Callable[[str], None]


class Startup(NamedTuple):
    """Seconds from the command to ready; bytes (shared pages divided among their users) by part."""

    first_ready_s: float
    again_ready_s: float
    memory_bytes: dict[str, int]


async def startup(folder: Path, say: Say) -> Startup:
    clock = SystemClock()
    folder.mkdir(parents=True, exist_ok=True)
    begun_us = clock.now_us()
    async with RunningSystem(folder / "data", folder / "logs", ALL_IN_ONE):
        first_us = clock.now_us() - begun_us
        say(f"ready after {first_us / 1e6:.1f} s on an empty folder")
    begun_us = clock.now_us()
    async with RunningSystem(folder / "data", folder / "logs", ALL_IN_ONE) as running:
        again_us = clock.now_us() - begun_us
        say(f"ready after {again_us / 1e6:.1f} s on the same folder; now with roles and a task")
        await running.command(*census.create_arguments(census.write_training_file(folder, TRAINING_ROWS)))
        await running.start_all()
        token = await running.token("client", task=census.TASK)
        rows, _ = census.traffic(ANSWERED_ROWS)
        async with running.client("proposer", token) as client:
            for start in range(0, ANSWERED_ROWS, ROWS_PER_REQUEST):
                await client.predict(census.TASK, rows[start : start + ROWS_PER_REQUEST], contradict=True)
        engines = {str(each["name"]): int(each["memory_mb"] * 1e6) for each in await running.command("status")}
        parts = await asyncio.to_thread(running.memory_bytes)
        supervisor = parts.pop("engines") - sum(engines.values())
        return Startup(first_us / 1e6, again_us / 1e6, {**engines, "supervisor": max(0, supervisor), **parts})


def record_of(outcome: Startup) -> Record:
    raw: dict[str, Raw] = {
        "first_ready_s": outcome.first_ready_s,
        "again_ready_s": outcome.again_ready_s,
        **{f"{name}_memory_bytes": held for name, held in outcome.memory_bytes.items()},
        "whole_memory_bytes": sum(outcome.memory_bytes.values()),
    }
    return make_record(
        name="startup",
        what="`dissonance up` on an empty folder and again; memory of engines, supervisor and all roles at work",
        command="dissonance drill startup",
        now_us=SystemClock().now_us(),
        raw=raw,
        limits=[AtMost("first_ready_s", LONGEST_READY_S), AtMost("again_ready_s", LONGEST_READY_S)],
    )
