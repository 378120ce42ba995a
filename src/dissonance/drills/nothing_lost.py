"""Drill: roles and engines are killed (-9) while predictions stream; everything acknowledged must be stored once.

Every request carries an idempotency key and is sent again until it is answered, as a careful client does. What
was answered is then looked up in the store: every prediction id there once, and nothing there that nobody asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from dissonance.adapters.clock import SystemClock
from dissonance.bootstrap import System, open_system
from dissonance.contracts.api import Row
from dissonance.contracts.ids import id_from_text
from dissonance.drills import census
from dissonance.drills.client import DissonanceClient, Patience
from dissonance.drills.system import ONE_EACH, RunningSystem
from dissonance.errors import TimedOut
from dissonance.settings import Settings

ROWS_PER_REQUEST = 50
CLIENTS = 8
TRAINING_ROWS = 8_000
DRAIN_LIMIT_S = 240.0
RESTART_LIMIT_S = 120.0
LOOK_EVERY_S = 0.5
SECONDS_PER_KILL = 4.0
"""The stream lasts at least this long before, between and after the kills."""

PATIENCE = Patience(total_s=300.0)

ENGINES = ("nats", "postgresql")
STATED = ("critic", "learner", "nats", "postgresql")
"""What the stated drill kills."""

EVERYTHING = (*ONE_EACH, "nats", "postgresql", "mlflow")

Say = Callable[[str], None]


class Outcome(NamedTuple):
    """Rows, except `stream_s`, `drain_s`, `attempts` (HTTP requests sent), `requests`, `killed` and `chain_links`."""

    acknowledged: int
    stored: int
    admitted: int
    blocked: int
    dead_lettered: int
    missing: int
    doubled: int
    requests: int
    attempts: int
    killed: list[str]
    stream_s: float
    drain_s: float
    chain_links: int


async def nothing_lost(folder: Path, rows: int, victims: Sequence[str], say: Say) -> Outcome:
    """Stream `rows` predictions, kill each of `victims` once on the way, and account for every row."""
    clock = SystemClock()
    folder.mkdir(parents=True, exist_ok=True)
    records, _ = census.traffic(rows)
    async with RunningSystem(folder / "data", folder / "logs", ONE_EACH) as running:
        await running.command(*census.create_arguments(census.write_training_file(folder, TRAINING_ROWS)))
        await running.start_all()
        say("engines and roles are up; streaming")
        settings = Settings(data=str(folder / "data"))
        token = await running.token("client", task=census.TASK)
        acknowledged: list[str] = []
        async with open_system(settings) as system:
            started_us = clock.now_us()
            async with running.client("proposer", token, patience=PATIENCE) as client:
                killer = asyncio.create_task(_kill_in_turn(running, victims, acknowledged, rows, say))
                await _stream(client, records, acknowledged, rows / (SECONDS_PER_KILL * (len(victims) + 1)))
                await killer
                attempts = client.attempts
            streamed_us = clock.now_us()
            say(f"{len(acknowledged)} rows acknowledged; waiting until all are stored")
            await _drained(system, len(acknowledged))
            return await _account(
                system,
                acknowledged,
                attempts=attempts,
                requests=-(-rows // ROWS_PER_REQUEST),
                killed=list(victims),
                stream_s=(streamed_us - started_us) / 1e6,
                drain_s=(clock.now_us() - streamed_us) / 1e6,
            )


async def _stream(client: DissonanceClient, records: list[Row], acknowledged: list[str], rows_per_s: float) -> None:
    """All records once, not faster than `rows_per_s`, so that the stream outlasts the restarts it must survive."""
    starts = iter(range(0, len(records), ROWS_PER_REQUEST))
    begun_s = asyncio.get_running_loop().time()

    async def one_client() -> None:
        for start in starts:
            ahead_s = begun_s + start / rows_per_s - asyncio.get_running_loop().time()
            await asyncio.sleep(max(0.0, ahead_s))
            reply = await client.predict(census.TASK, records[start : start + ROWS_PER_REQUEST])
            acknowledged.extend(prediction.prediction_id for prediction in reply.predictions)

    await asyncio.gather(*(one_client() for _ in range(CLIENTS)))


async def _kill_in_turn(
    running: RunningSystem, victims: Sequence[str], acknowledged: list[str], rows: int, say: Say
) -> None:
    """Spread evenly over the stream: the i-th of m is killed when i / (m + 1) of the rows are acknowledged.

    A role is started again at once, as its supervisor would, and again while an engine it needs is still on its way
    back; the next victim does not wait for it.
    """
    async with asyncio.TaskGroup() as restarts:
        for number, victim in enumerate(victims, start=1):
            while len(acknowledged) < rows * number / (len(victims) + 1):
                await asyncio.sleep(0.02)
            if victim in running.groups:
                await running.kill(victim)
                say(f"killed {victim} after {len(acknowledged)} rows; starting it again")
                restarts.create_task(running.start_again(victim, within_s=RESTART_LIMIT_S, say=say))
            else:
                pid = await running.kill_engine(victim)
                say(f"killed {victim} (pid {pid}) after {len(acknowledged)} rows; its supervisor starts it again")


async def _drained(system: System, expected: int) -> None:
    """Returns when as many rows are stored or dead-lettered as expected. Raises `TimedOut`."""
    task = await system.store.by_name(census.TASK)
    waited_s = 0.0
    while True:
        counts = await system.store.counts(task.task_id)
        stored = counts.admitted + counts.blocked
        if stored + sum(letter.rows for letter in await system.bus.dead_letters()) >= expected:
            return
        if waited_s >= DRAIN_LIMIT_S:
            raise TimedOut(
                f"{stored} of {expected} rows are stored after {DRAIN_LIMIT_S:g} s", where="drill", fix="see the logs"
            )
        await asyncio.sleep(LOOK_EVERY_S)
        waited_s += LOOK_EVERY_S


async def _account(
    system: System,
    acknowledged: list[str],
    *,
    attempts: int,
    requests: int,
    killed: list[str],
    stream_s: float,
    drain_s: float,
) -> Outcome:
    task = await system.store.by_name(census.TASK)
    ids = [id_from_text(text) for text in acknowledged]
    found: set[bytes] = set()
    for start in range(0, len(ids), 5_000):
        found |= (await system.store.outcomes(task.task_id, ids[start : start + 5_000])).keys()
    counts = await system.store.counts(task.task_id)
    return Outcome(
        acknowledged=len(ids),
        stored=counts.admitted + counts.blocked,
        admitted=counts.admitted,
        blocked=counts.blocked,
        dead_lettered=sum(letter.rows for letter in await system.bus.dead_letters()),
        missing=len(set(ids) - found),
        doubled=len(ids) - len(set(ids)) + max(0, counts.admitted + counts.blocked - len(set(ids))),
        requests=requests,
        attempts=attempts,
        killed=killed,
        stream_s=stream_s,
        drain_s=drain_s,
        chain_links=await system.store.verify_chain(task.task_id),
    )
