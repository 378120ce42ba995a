"""An SRE takes PostgreSQL, then NATS, then both away under steady requests: every one is answered, once, and stored."""

from __future__ import annotations

import asyncio
import signal
import ssl
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import msgspec
import psutil
import pytest

from dissonance.adapters.embedded.state import engine_pids
from dissonance.bootstrap import open_system
from dissonance.contracts.api import PredictReply
from dissonance.contracts.ids import id_from_text
from dissonance.drills import census
from dissonance.drills.client import DissonanceClient, connector_to
from dissonance.drills.system import TWO_PROCESSES, RunningSystem
from dissonance.settings import Settings
from dissonance.telemetry.names import MetricName

TRAINING_ROWS = 3_000
ROWS = 10_000
PAUSE_S = 0.05
AWAY_S = 4.0
LEAST_ANSWERS = 300
SPARE_KEYS = 2_000
"""Held ready before PostgreSQL goes: more than new data subjects come while it is away."""

WATCHED = {
    ("postgresql",): {"proposer/keys"},
    ("nats",): {"outbox"},
    ("postgresql", "nats"): {"proposer/keys", "outbox"},
}
"""Breakers that open when these engines stand still."""


@contextmanager
def standing_still(folder: Path, engines: Sequence[str]) -> Iterator[None]:
    processes = [psutil.Process(engine_pids(folder)[engine]) for engine in engines]
    processes += [child for process in processes for child in process.children(recursive=True)]
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)


def kill(folder: Path, engine: str) -> None:
    process = psutil.Process(engine_pids(folder)[engine])
    for each in [process, *process.children(recursive=True)]:
        each.kill()


class Stream:
    """Single rows at a steady rate, each once: nothing is tried again. `outcomes` counts statuses."""

    def __init__(self, url: str, token: str, tls: ssl.SSLContext) -> None:
        self.outcomes: Counter[int] = Counter()
        self.ids: list[str] = []
        self.stop = asyncio.Event()
        self._url = url
        self._tls = tls
        self._address = f"{url}/v1/tasks/{census.TASK}/predict"
        self._headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}

    async def run(self) -> None:
        rows, _ = census.traffic(ROWS)
        connector, timeout = connector_to(self._tls), aiohttp.ClientTimeout(total=30)
        async with (
            aiohttp.ClientSession(timeout=timeout, connector=connector) as session,
            asyncio.TaskGroup() as tasks,
        ):
            for row in rows:
                tasks.create_task(self._ask(session, msgspec.json.encode({"rows": [row]})))
                await asyncio.sleep(PAUSE_S)
                if self.stop.is_set():
                    break

    async def not_in_use(self) -> set[str]:
        """The engines that are not asked; the proposer says that it is ready nevertheless."""
        async with (
            aiohttp.ClientSession(connector=connector_to(self._tls)) as session,
            session.get(f"{self._url}/readyz") as reply,
        ):
            said = await reply.json()
            assert reply.status == 200, said
            return {name for name, state in said["engines"].items() if state != "in use"}

    async def _ask(self, session: aiohttp.ClientSession, body: bytes) -> None:
        async with session.post(self._address, data=body, headers=self._headers) as reply:
            self.outcomes[reply.status] += 1
            if reply.status == 200:
                answer = msgspec.json.decode(await reply.read(), type=PredictReply)
                self.ids += [each.prediction_id for each in answer.predictions]


@pytest.mark.timeout(600)
def test_every_request_is_answered_and_stored_once_while_engines_are_away(tmp_path: Path) -> None:
    asyncio.run(story(tmp_path))


async def story(folder: Path) -> None:
    data = folder / "data"
    async with RunningSystem(data, folder / "logs", TWO_PROCESSES, {"spare_keys": str(SPARE_KEYS)}) as running:
        await running.command(*census.create_arguments(census.write_training_file(folder, TRAINING_ROWS)))
        await running.start_all()
        token = await running.token("client", "operator")
        stream = Stream(running.url("proposer"), token, running.trust())
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(stream.run())
            async with running.client("proposer", token) as proposer:
                await spare_keys_held(proposer)
            while not stream.ids:
                await asyncio.sleep(0.2)
            await engines_go_and_come(data, stream)
            stream.stop.set()
        assert set(stream.outcomes) == {200}, stream.outcomes
        assert stream.outcomes[200] == len(set(stream.ids)) > LEAST_ANSWERS
        await stored_once(data, stream.ids)
        assert list((data / "spool").glob("*.spool")) == []


async def spare_keys_held(proposer: DissonanceClient) -> None:
    while MetricName.SPARE_KEYS not in {
        sample.name for sample in await proposer.samples() if sample.value >= SPARE_KEYS / 2
    }:
        await asyncio.sleep(0.2)


async def engines_go_and_come(data: Path, stream: Stream) -> None:
    for engines in (["postgresql"], ["nats"], ["postgresql", "nats"]):
        with standing_still(data, engines):
            while not WATCHED[tuple(engines)] <= await stream.not_in_use():
                await asyncio.sleep(0.2)
            await asyncio.sleep(AWAY_S)
        await closed_again(stream)
    for engine in ("postgresql", "nats"):
        kill(data, engine)
        await asyncio.sleep(AWAY_S)
        await closed_again(stream)


async def closed_again(stream: Stream) -> None:
    while await stream.not_in_use():
        await asyncio.sleep(0.2)


async def stored_once(folder: Path, ids: Sequence[str]) -> None:
    """The test's time limit ends a wait in vain."""
    async with open_system(Settings(data=str(folder))) as system:
        task_id = (await system.store.by_name(census.TASK)).task_id
        while len(await system.store.find(task_id, [id_from_text(each) for each in ids])) < len(ids):
            await asyncio.sleep(0.2)
        counts = await system.store.counts(task_id)
        assert counts.admitted + counts.blocked == len(ids)
        assert await system.bus.dead_letters() == []
