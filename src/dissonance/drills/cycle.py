"""Benchmark: durable end-to-end cycles per second.

A cycle is one single-row request, answered after the broker acknowledged it durable (`sync_interval: always`), doubted,
judged, and stored as sealed experience. The clock runs from the first request until the last row is stored. The load
comes from this process, which shares the machine's cores with the system. Every request carries an idempotency key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import aiohttp
import msgspec
import psutil
from prometheus_client.parser import text_string_to_metric_families

from dissonance.adapters.clock import SystemClock, SystemRandomness
from dissonance.bootstrap import open_system
from dissonance.contracts.api import RowsRequest
from dissonance.drills import census
from dissonance.drills.client import DissonanceClient
from dissonance.drills.records import AtLeast, Equals, Raw, Record, make_record
from dissonance.drills.system import TWO_PROCESSES, RunningSystem
from dissonance.errors import EngineError, TimedOut
from dissonance.settings import Settings
from dissonance.telemetry.names import MetricName

TRAINING_ROWS = 20_000
WARM_UP = 500
DRAIN_LIMIT_S = 300.0
LOOK_EVERY_S = 0.1
LEAST_CYCLES_PER_S = 1_000.0
PROOF_OF_CONCEPT_CYCLES_PER_S = 18.0
"""What the earlier proof of concept did on two cores (design section 1)."""

Say = Callable[[str], None]


class CycleOutcome(NamedTuple):
    """All while the clock ran: `latencies_s` of every request; `cpu_s`, processor seconds by process; `stage_s`,
    seconds that a role was busy, by role and step (their sum can be more than the run: roles work side by side)."""

    cycles: int
    connections: int
    stored: int
    answer_s: float
    drain_s: float
    latencies_s: list[float]
    cpu_s: dict[str, float]
    stage_s: dict[str, float]
    memory_bytes: dict[str, int]


async def bench_cycle(folder: Path, cycles: int, connections: int, say: Say) -> CycleOutcome:
    clock = SystemClock()
    folder.mkdir(parents=True, exist_ok=True)
    records, _ = census.traffic(cycles + WARM_UP)
    bodies = [msgspec.json.encode(RowsRequest([record])) for record in records]
    async with RunningSystem(folder / "data", folder / "logs", TWO_PROCESSES) as running:
        await running.command(*census.create_arguments(census.write_training_file(folder, TRAINING_ROWS)))
        await running.start_all()
        url = f"{running.url('proposer')}/v1/tasks/{census.TASK}/predict"
        headers = {
            "Authorization": f"Bearer {await running.token('client', task=census.TASK)}",
            "Content-Type": "application/json",
        }
        operator = await running.token("operator")
        async with open_system(Settings(data=str(folder / "data"))) as system:
            task = await system.store.by_name(census.TASK)

            async def stored() -> int:
                counts = await system.store.counts(task.task_id)
                return counts.admitted + counts.blocked

            await _send(url, headers, bodies[:WARM_UP], connections)
            await _until(stored, WARM_UP)
            say(f"warm; sending {cycles} single-row requests over {connections} connections")
            stages_before = await _stage_seconds(running, operator)
            before = _cpu_seconds(running)
            started_us = clock.now_us()
            latencies_s = await _send(url, headers, bodies[WARM_UP:], connections)
            answered_us = clock.now_us()
            say(f"answered {cycles / ((answered_us - started_us) / 1e6):,.0f}/s; waiting until all are stored")
            await _until(stored, WARM_UP + cycles)
            drained_us = clock.now_us()
            after = _cpu_seconds(running)
            stages = await _stage_seconds(running, operator)
            return CycleOutcome(
                cycles=cycles,
                connections=connections,
                stored=await stored() - WARM_UP,
                answer_s=(answered_us - started_us) / 1e6,
                drain_s=(drained_us - answered_us) / 1e6,
                latencies_s=latencies_s,
                cpu_s={name: after[name] - before.get(name, 0.0) for name in after},
                stage_s={name: value - stages_before.get(name, 0.0) for name, value in stages.items()},
                memory_bytes=running.memory_bytes(),
            )


async def _send(url: str, headers: dict[str, str], bodies: list[bytes], connections: int) -> list[float]:
    """Every body once, `connections` at a time; seconds each took. Raises `EngineError` for any answer but 200."""
    clock, randomness = SystemClock(), SystemRandomness()
    queue = iter(bodies)
    latencies_s: list[float] = []

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections)) as session:

        async def one_connection() -> None:
            for body in queue:
                start_us = clock.now_us()
                keyed = {**headers, "Idempotency-Key": randomness.token(16).hex()}
                async with session.post(url, data=body, headers=keyed) as response:
                    answer = await response.read()
                    if response.status != 200:
                        raise EngineError(f"status {response.status}: {answer[:300]!r}", where=url)
                latencies_s.append((clock.now_us() - start_us) / 1e6)

        await asyncio.gather(*(one_connection() for _ in range(connections)))
    return latencies_s


async def _until(stored: Callable[[], Awaitable[int]], expected: int) -> None:
    waited_s = 0.0
    while (count := await stored()) < expected:
        if waited_s > DRAIN_LIMIT_S:
            raise TimedOut(f"{count} of {expected} rows are stored after {DRAIN_LIMIT_S:g} s", where="benchmark")
        await asyncio.sleep(LOOK_EVERY_S)
        waited_s += LOOK_EVERY_S


def _cpu_seconds(running: RunningSystem) -> dict[str, float]:
    """By group of roles and engine, children included, and of the load generator (this process)."""
    seconds = {"load_generator": _of(psutil.Process())}
    for group in running.groups:
        seconds[group] = _of(psutil.Process(running.pid(group)))
    for child in psutil.Process(running.pid("engines")).children(recursive=True):
        name = _engine_of(child)
        seconds[name] = seconds.get(name, 0.0) + _of(child)
    return seconds


async def _stage_seconds(running: RunningSystem, token: str) -> dict[str, float]:
    """What the roles say in `/metrics`: seconds in their handlers, and until the broker took the result."""
    seconds: dict[str, float] = {}
    async with DissonanceClient(running.url("critic"), token, SystemRandomness()) as client:
        families = list(text_string_to_metric_families(await client.text("/metrics")))
    for step, metric in (("handle", MetricName.HANDLE_SECONDS), ("publish", MetricName.PUBLISH_SECONDS)):
        for sample in (sample for family in families for sample in family.samples if sample.name == metric):
            seconds[f"{sample.labels['role'].replace('-', '_')}_{step}"] = sample.value
    return seconds


def _engine_of(process: psutil.Process) -> str:
    name = process.name()
    return "postgresql" if name.startswith("postgres") else "nats" if name.startswith("nats") else "mlflow"


def _of(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def record_of(outcome: CycleOutcome) -> Record:
    """Per stage: processor microseconds per cycle; the largest is what limits it on a machine of few cores."""
    total_s = outcome.answer_s + outcome.drain_s
    ordered = sorted(outcome.latencies_s)
    per_cycle_us = {name: seconds / outcome.cycles * 1e6 for name, seconds in outcome.cpu_s.items()}
    raw: dict[str, Raw] = {
        "cycles": outcome.cycles,
        "connections": outcome.connections,
        "stored": outcome.stored,
        "cycles_per_s": outcome.cycles / total_s,
        "answers_per_s": outcome.cycles / outcome.answer_s,
        "answer_s": outcome.answer_s,
        "drain_s": outcome.drain_s,
        "times_proof_of_concept": outcome.cycles / total_s / PROOF_OF_CONCEPT_CYCLES_PER_S,
        "p50_s": ordered[len(ordered) // 2],
        "p99_s": ordered[int(len(ordered) * 0.99)],
        "cores_busy": sum(outcome.cpu_s.values()) / total_s,
        "limited_by": max(per_cycle_us, key=lambda name: per_cycle_us[name]),
        "broker_sync": "always",
    }
    raw |= {f"{name}_us_per_cycle": seconds / outcome.cycles * 1e6 for name, seconds in sorted(outcome.stage_s.items())}
    raw |= {f"{name}_cpu_us_per_cycle": value for name, value in sorted(per_cycle_us.items())}
    raw |= {f"{name}_memory_bytes": value for name, value in sorted(outcome.memory_bytes.items())}
    return make_record(
        name="bench-cycle",
        what=f"{outcome.cycles} single-row requests over {outcome.connections} connections until all are stored",
        command=f"dissonance drill bench-cycle --cycles {outcome.cycles} --connections {outcome.connections}",
        now_us=SystemClock().now_us(),
        raw=raw,
        limits=[AtLeast("cycles_per_s", LEAST_CYCLES_PER_S), Equals("stored", outcome.cycles)],
    )
