"""An SRE takes PostgreSQL, then NATS, then both away under steady requests: every one is answered, once, and stored."""

from __future__ import annotations

import asyncio
import signal
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
from dissonance.drills.system import TWO_PROCESSES, RunningSystem
from dissonance.settings import Settings

TRAINING_ROWS = 3_000
ROWS = 2_000
PAUSE_S = 0.02
AWAY_S = 4.0
CALM_S = 3.0
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

    def __init__(self, url: str, token: str) -> None:
        self.outcomes: Counter[int] = Counter()
        self.ids: list[str] = []
        self.stop = asyncio.Event()
        self._url = url
        self._address = f"{url}/v1/tasks/{census.TASK}/predict"
        self._headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}

    async def run(self) -> None:
        rows, _ = census.traffic(ROWS)
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session,
            asyncio.TaskGroup() as tasks,
        ):
            for row in rows:
                tasks.create_task(self._ask(session, msgspec.json.encode({"rows": [row]})))
                await asyncio.sleep(PAUSE_S)
                if self.stop.is_set():
                    break

    async def readiness(self) -> tuple[bool, set[str]]:
        """Whether the proposer says that it is ready, and the breakers that are not closed."""
        async with aiohttp.ClientSession() as session, session.get(f"{self._url}/readyz") as reply:
            engines: dict[str, str] = (await reply.json())["engines"]
            return reply.status == 200, {name for name, state in engines.items() if state != "closed"}

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
    async with RunningSystem(data, folder / "logs", TWO_PROCESSES) as running:
        await running.command(*census.create_arguments(census.write_training_file(folder, TRAINING_ROWS)))
        await running.start_all()
        stream = Stream(running.url("proposer"), await running.token("client", task=census.TASK))
        asking = asyncio.create_task(stream.run())
        await asyncio.sleep(2 * CALM_S)
        for engines in (["postgresql"], ["nats"], ["postgresql", "nats"]):
            with standing_still(data, engines):
                await asyncio.sleep(AWAY_S)
                ready, open_breakers = await stream.readiness()
            assert ready and WATCHED[tuple(engines)] <= open_breakers
            await asyncio.sleep(CALM_S)
        for engine in ("postgresql", "nats"):
            kill(data, engine)
            await asyncio.sleep(AWAY_S)
        stream.stop.set()
        await asking
        assert set(stream.outcomes) == {200}, stream.outcomes
        assert stream.outcomes[200] == len(set(stream.ids)) > 300
        await stored_once(data, stream.ids)
        assert list((data / "spool").glob("*.spool")) == []


async def stored_once(folder: Path, ids: Sequence[str]) -> None:
    """The test's time limit ends a wait in vain."""
    async with open_system(Settings(data=str(folder))) as system:
        task_id = (await system.store.by_name(census.TASK)).task_id
        while len(await system.store.find(task_id, [id_from_text(each) for each in ids])) < len(ids):
            await asyncio.sleep(0.2)
        counts = await system.store.counts(task_id)
        assert counts.admitted + counts.blocked == len(ids)
        assert await system.bus.dead_letters() == []
