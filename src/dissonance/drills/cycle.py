"""Benchmark: durable end-to-end cycles per second.

A cycle is one single-row request, answered after the broker acknowledged it durable (`sync_interval: always`), doubted,
judged, and stored as sealed experience. The clock runs from the first request until the last row is stored. The load
comes from a process of its own (`drills.load`), which shares the machine's cores with the system.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import psutil
from prometheus_client.samples import Sample

from dissonance.adapters.clock import SystemClock
from dissonance.bootstrap import System, open_system
from dissonance.contracts.api import RowsRequest
from dissonance.contracts.events import Event, Experienced
from dissonance.contracts.topics import EventKind
from dissonance.drills import census
from dissonance.drills.load import Answered, ask, require_wrk, write_bodies
from dissonance.drills.records import AtLeast, AtMost, Equals, Limit, Raw, Record, make_record
from dissonance.drills.system import TWO_PROCESSES, RunningSystem
from dissonance.errors import TimedOut
from dissonance.settings import Settings
from dissonance.telemetry.names import MetricName

TRAINING_ROWS = 20_000
BODIES = 20_000
"""Different people who are asked about, over and over."""
WARM_UP_S = 4.0
SLICE_S = 5.0
SHORTEST_S = 1.0
SETTLE_S = 0.2
DRAIN_LIMIT_S = 300.0
LEAST_CYCLES_PER_S = 4_000.0
WITHIN = 0.15
"""How far the rate at the largest and the smallest number of events may lie from the one between, as a share."""
PROOF_OF_CONCEPT_CYCLES_PER_S = 18.0
"""What the earlier proof of concept did on two cores (design section 1)."""

Say = Callable[[str], None]


class CycleOutcome(NamedTuple):
    """All while the clock ran: `answered` by the load generator's count, `predicted` by the proposer's, `stored` as the
    learner told. `cpu_s`: processor seconds by process; `stage_s`: seconds that a role was busy, by role and step."""

    cycles: int
    answered: int
    predicted: int
    stored: int
    failed: int
    answer_s: float
    drain_s: float
    p50_ms: float
    p99_ms: float
    cpu_s: dict[str, float]
    stage_s: dict[str, float]
    memory_bytes: dict[str, int]

    @property
    def cycles_per_s(self) -> float:
        return self.stored / (self.answer_s + self.drain_s)


class _Bench(NamedTuple):
    running: RunningSystem
    system: System
    task_id: str
    url: str
    bodies: Path
    token: str
    operator: str
    connections: int


async def bench_cycle(folder: Path, sizes: Sequence[int], connections: int, say: Say) -> list[CycleOutcome]:
    """One outcome for each number of events, in turn on one system that is never restarted."""
    require_wrk()
    folder.mkdir(parents=True, exist_ok=True)
    records, _ = census.traffic(BODIES)
    bodies = write_bodies(folder / "bodies.txt", [msgspec.json.encode(RowsRequest([record])) for record in records])
    async with RunningSystem(folder / "data", folder / "logs", TWO_PROCESSES) as running:
        await running.command(*census.create_arguments(census.write_training_file(folder, TRAINING_ROWS)))
        await running.start_all()
        async with open_system(Settings(data=str(folder / "data"))) as system:
            bench = _Bench(
                running,
                system,
                (await system.store.by_name(census.TASK)).task_id,
                f"{running.url('proposer')}/v1/tasks/{census.TASK}/predict",
                bodies,
                await running.token("client", task=census.TASK),
                await running.token("operator"),
                connections,
            )
            say("warming up")
            await _run(bench, 0, say)
            return [await _run(bench, size, say) for size in sizes]


async def _run(bench: _Bench, size: int, say: Say) -> CycleOutcome:
    """`size` requests or a few more, and until all are stored; 0: a warm-up."""
    clock = SystemClock()
    predicted_before = await _settled(bench)
    cpu_before, stages_before = _cpu_seconds(bench.running), await _stage_seconds(bench)
    async with bench.system.bus.watch([EventKind.EXPERIENCED]) as experienced:
        stored = _Stored(bench.task_id)
        counting = asyncio.create_task(stored.count(experienced))
        started_us = clock.now_us()
        slices = await _ask_for(bench, size)
        answered_us = clock.now_us()
        predicted = await _settled(bench) - predicted_before
        say(
            f"answered {predicted:,} at {predicted / ((answered_us - started_us) / 1e6):,.0f}/s; until all are stored …"
        )
        await stored.reach(predicted)
        drained_us = clock.now_us()
        counting.cancel()
    stages = await _stage_seconds(bench)
    cpu = _cpu_seconds(bench.running)
    outcome = CycleOutcome(
        cycles=size,
        answered=sum(each.requests for each in slices),
        predicted=predicted,
        stored=stored.rows,
        failed=sum(each.failed for each in slices),
        answer_s=(answered_us - started_us) / 1e6,
        drain_s=(drained_us - answered_us) / 1e6,
        p50_ms=max(each.p50_us for each in slices) / 1e3,
        p99_ms=max(each.p99_us for each in slices) / 1e3,
        cpu_s={name: cpu[name] - cpu_before.get(name, 0.0) for name in cpu},
        stage_s={name: value - stages_before.get(name, 0.0) for name, value in stages.items()},
        memory_bytes=bench.running.memory_bytes(),
    )
    say(f"{outcome.stored:,} stored: {outcome.cycles_per_s:,.0f} cycles/s")
    return outcome


class _Stored:
    """Rows that the learner told it stored."""

    def __init__(self, task_id: str) -> None:
        self.rows = 0
        self._task_id = task_id
        self._more = asyncio.Event()

    async def count(self, experienced: AsyncIterator[Event]) -> None:
        async for event in experienced:
            if isinstance(event, Experienced) and event.task_id == self._task_id:
                self.rows += event.first_stored
                self._more.set()

    async def reach(self, expected: int) -> None:
        """Raises `TimedOut` when it takes longer than `DRAIN_LIMIT_S`."""
        try:
            async with asyncio.timeout(DRAIN_LIMIT_S):
                while self.rows < expected:
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError as error:
            what = f"{self.rows} of {expected} rows are stored after {DRAIN_LIMIT_S:g} s"
            raise TimedOut(what, where="benchmark", fix="read the logs of the roles") from error


async def _ask_for(bench: _Bench, size: int) -> list[Answered]:
    """Ask until at least `size` requests are answered; the load generator counts in seconds, so in slices of them."""
    slices: list[Answered] = []
    seconds = SHORTEST_S if size else WARM_UP_S
    while True:
        one = await ask(bench.url, bench.bodies, connections=bench.connections, seconds=seconds, bearer=bench.token)
        slices.append(one)
        left = size - sum(each.requests for each in slices)
        if left <= 0:
            return slices
        seconds = min(SLICE_S, max(SHORTEST_S, round(left / max(1.0, one.per_s))))


async def _settled(bench: _Bench) -> int:
    """Rows that the proposer answered since it started, once it has nothing in hand that the load generator left."""
    before = -1
    while (now := await _predicted(bench)) != before:
        before = now
        await asyncio.sleep(SETTLE_S)
    return now


async def _predicted(bench: _Bench) -> int:
    samples = await _samples(bench, "proposer")
    return int(sum(sample.value for sample in samples if sample.name == MetricName.ROWS_PREDICTED))


async def _stage_seconds(bench: _Bench) -> dict[str, float]:
    """What the roles say in `/metrics`: seconds in their handlers, and until the broker took the result."""
    steps = {MetricName.HANDLE_SECONDS: "handle", MetricName.PUBLISH_SECONDS: "publish"}
    return {
        f"{sample.labels['role'].replace('-', '_')}_{steps[MetricName(sample.name)]}": sample.value
        for sample in await _samples(bench, "critic")
        if sample.name in steps
    }


async def _samples(bench: _Bench, role: str) -> list[Sample]:
    async with bench.running.client(role, bench.operator) as client:
        return await client.samples()


def _cpu_seconds(running: RunningSystem) -> dict[str, float]:
    """By group of roles and by engine, children included."""
    seconds = {group: _of(psutil.Process(running.pid(group))) for group in running.groups}
    for child in psutil.Process(running.pid("engines")).children(recursive=True):
        name = _engine_of(child)
        seconds[name] = seconds.get(name, 0.0) + _of(child)
    return seconds


def _engine_of(process: psutil.Process) -> str:
    name = process.name()
    return "postgresql" if name.startswith("postgres") else "nats" if name.startswith("nats") else "mlflow"


def _of(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def record_of(outcomes: Sequence[CycleOutcome], connections: int) -> Record:
    """Per stage, of the outcome with the most events: processor microseconds per cycle; the largest is what limits it
    on a machine of few cores."""
    largest = max(outcomes, key=lambda outcome: outcome.cycles)
    rates = {outcome.cycles: outcome.cycles_per_s for outcome in outcomes}
    middle = sorted(rates.values())[len(rates) // 2]
    per_cycle_us = {name: seconds / largest.stored * 1e6 for name, seconds in largest.cpu_s.items()}
    raw: dict[str, Raw] = {
        "cycles_per_s": min(rates.values()),
        "times_proof_of_concept": min(rates.values()) / PROOF_OF_CONCEPT_CYCLES_PER_S,
        "farthest_from_middle": max(abs(rate / middle - 1.0) for rate in rates.values()),
        "lost": sum(outcome.predicted - outcome.stored for outcome in outcomes),
        "unrecorded": sum(max(0, outcome.answered - outcome.predicted) for outcome in outcomes),
        "failed": sum(outcome.failed for outcome in outcomes),
        "connections": connections,
        "cores_busy": sum(largest.cpu_s.values()) / (largest.answer_s + largest.drain_s),
        "limited_by": max(per_cycle_us, key=lambda name: per_cycle_us[name]),
        "broker_sync": "always",
        "load_generator": "wrk, one thread, on the same cores",
    }
    for outcome in outcomes:
        raw |= {
            f"at_{outcome.cycles}_{name}": value
            for name, value in {
                "cycles_per_s": outcome.cycles_per_s,
                "stored": outcome.stored,
                "answer_s": outcome.answer_s,
                "drain_s": outcome.drain_s,
                "p50_ms": outcome.p50_ms,
                "p99_ms": outcome.p99_ms,
            }.items()
        }
    raw |= {f"{name}_us_per_cycle": value / largest.stored * 1e6 for name, value in sorted(largest.stage_s.items())}
    raw |= {f"{name}_cpu_us_per_cycle": value for name, value in sorted(per_cycle_us.items())}
    raw |= {f"{name}_memory_bytes": value for name, value in sorted(largest.memory_bytes.items())}
    sizes = " ".join(f"--cycles {outcome.cycles}" for outcome in outcomes)
    return make_record(
        name="bench-cycle",
        what=f"single-row requests over {connections} connections until all are stored, at each number of events",
        command=f"dissonance drill bench-cycle {sizes} --connections {connections}",
        now_us=SystemClock().now_us(),
        raw=raw,
        limits=_limits(len(outcomes)),
    )


def _limits(sizes: int) -> list[Limit]:
    limits: list[Limit] = [AtLeast("cycles_per_s", LEAST_CYCLES_PER_S)]
    limits += [Equals(name, 0) for name in ("lost", "unrecorded", "failed")]
    return [*limits, AtMost("farthest_from_middle", WITHIN)] if sizes > 1 else limits
