"""Two replicas of the proposer beside all other roles, each under an open-loop load."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from dissonance.adapters.clock import SystemRandomness
from dissonance.drills.census import TASK
from dissonance.drills.client import DissonanceClient
from dissonance.drills.faults.load import Bodies, OpenLoad
from dissonance.drills.system import RunningSystem
from dissonance.errors import TimedOut
from dissonance.roles.listed import ROLES

REPLICAS = ("proposer-1", "proposer-2")
BACKSTAGE = "backstage"
GROUPS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(REPLICAS, ("proposer",)),
    BACKSTAGE: tuple(role for role in ROLES if role != "proposer"),
}

READY_LIMIT_S = 60.0
LOOK_EVERY_S = 0.1


@asynccontextmanager
async def under_load(running: RunningSystem, bodies: Bodies, rate: float) -> AsyncIterator[dict[str, OpenLoad]]:
    """Entered when every replica answers its share of `rate` requests a second on the census task; left when all were
    answered. What computes in this process meanwhile holds up the load that it makes."""
    token = await running.token("client", task=TASK)
    async with AsyncExitStack() as stack:
        loads: dict[str, OpenLoad] = {}
        stop = asyncio.Event()
        for replica in REPLICAS:
            await _ready(running, replica, token)
            url = f"{running.group_url(replica)}/v1/tasks/{TASK}/predict"
            load = OpenLoad(url, token, bodies, rate / len(REPLICAS), SystemRandomness(), tls=running.trust())
            loads[replica] = await stack.enter_async_context(load)
        async with asyncio.TaskGroup() as tasks:
            for load in loads.values():
                tasks.create_task(load.run(stop))
            try:
                yield loads
            finally:
                stop.set()


async def _ready(running: RunningSystem, replica: str, token: str) -> None:
    url = running.group_url(replica)
    async with DissonanceClient(url, token, SystemRandomness(), tls=running.trust()) as client:
        try:
            async with asyncio.timeout(READY_LIMIT_S):
                while not await client.ready():
                    await asyncio.sleep(LOOK_EVERY_S)
        except TimeoutError as error:
            raise TimedOut("a replica is not ready", where=url, fix="read its log") from error
