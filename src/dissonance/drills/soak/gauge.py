"""What is looked at every few seconds: memory of each process, what waits for each consumer, the machine's load."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import psutil

from dissonance.adapters.nats.state import BrokerStates, StreamState
from dissonance.contracts.topics import EventKind
from dissonance.drills.children import memory_of
from dissonance.drills.system import ENGINES, RunningSystem

LOAD_GENERATOR = "load_generator"
SUPERVISOR = "supervisor"


class Sample(NamedTuple):
    """`rows` acknowledged so far; `memory_bytes` by role, engine, supervisor and of this process; `lag` in messages, by
    durable consumer; `load`: processes that ran or wanted to, mean of a minute."""

    elapsed_s: float
    rows: int
    memory_bytes: dict[str, int]
    lag: dict[str, int]
    load: float


async def look(running: RunningSystem, broker: BrokerStates, elapsed_s: float, rows: int) -> Sample:
    """Raises `EngineUnavailable` when the broker is away."""
    memory = await asyncio.to_thread(memory_by_part, running)
    return Sample(elapsed_s, rows, memory, lag_of(await broker.read()), psutil.getloadavg()[0])


def memory_by_part(running: RunningSystem) -> dict[str, int]:
    """Bytes, shared pages divided among those who share them."""
    parts = running.memory_bytes()
    engines = {name: memory_of(pid) for name, pid in running.engine_pids().items()}
    supervisor = max(0, parts.pop(ENGINES, 0) - sum(engines.values()))
    return {**parts, **engines, SUPERVISOR: supervisor, LOAD_GENERATOR: psutil.Process().memory_info().rss}


def lag_of(states: dict[EventKind, StreamState]) -> dict[str, int]:
    return {name: waiting for state in states.values() for name, waiting in state.lag.items()}
