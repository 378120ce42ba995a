"""Faults that clients are: a flood of bad requests, slow ones among them, and connections that are opened and left.
The clients are a process of their own (`attackers`)."""

from __future__ import annotations

import asyncio
import resource
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import msgspec
import psutil

from dissonance.drills import census
from dissonance.drills.faults import attackers
from dissonance.drills.faults.attackers import Attack
from dissonance.drills.faults.scene import Fault, Scene
from dissonance.errors import EngineError

FLOOD, IDLE = "flood", "idle-connections"

SHARE_OF_DESCRIPTORS = 0.8
DESCRIPTORS_KEPT = 1_000
"""Of the clients' process, for everything else it does."""

MOST_CONNECTIONS = 24_000
"""There are 28,000 ports to come from to one address (ip_local_port_range of Linux)."""


Said = Callable[[], Awaitable[dict[str, int]]]


def flood() -> Fault:
    """Through the load balancer, as anybody can."""

    async def act(scene: Scene) -> None:
        async with attacked(scene, f"{scene.url}/v1/tasks/{census.TASK}/predict", scene.hold_s) as said:
            statuses = await said()
        names = ("sent", "refused", "broken_off", "not_refused", "slow_clients")
        scene.figures |= {f"flood_{name}": statuses.get(name, 0) for name in names}

    return Fault(FLOOD, "proposers", act)


def idle_connections(group: str = "proposer-1") -> Fault:
    """Connections to a replica, up to 80 % of its descriptor limit, opened and left for a while."""

    async def act(scene: Scene) -> None:
        process = psutil.Process(scene.stand.system.pid(group))
        limit = int(process.rlimit(resource.RLIMIT_NOFILE)[0])
        wanted = connections_to_open(limit, process.num_fds(), _room())
        url = scene.stand.system.group_url(group)
        async with attacked(scene, url, max(scene.hold_s, 5.0), idle=wanted) as said:
            await said()
            opened = await said()
            scene.figures |= {
                **opened,
                "idle_connections_held": process.num_fds(),
                "idle_descriptor_limit": limit,
            }

    return Fault(IDLE, group, act)


def connections_to_open(limit: int, used: int, room: int) -> int:
    """
    >>> connections_to_open(20_000, 60, 19_000), connections_to_open(1_000_000, 60, 19_000)
    (15940, 19000)
    """
    return max(0, min(int(limit * SHARE_OF_DESCRIPTORS) - used, room, MOST_CONNECTIONS))


def _room() -> int:
    """How many descriptors a process of ours may open, once its soft limit is its hard one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return (MOST_CONNECTIONS if hard == resource.RLIM_INFINITY else hard) - DESCRIPTORS_KEPT


def attacked(scene: Scene, url: str, hold_s: float, idle: int = 0) -> AbstractAsyncContextManager[Said]:
    return attacking(Attack(url, scene.token, scene.stand.system.authority, hold_s, idle))


@asynccontextmanager
async def attacking(attack: Attack) -> AsyncIterator[Said]:
    """The clients, and what they say next. They are over at the end. Raises `EngineError` when they failed."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", attackers.__name__, stdin=pipe, stdout=pipe)
    if process.stdin is None or process.stdout is None:
        raise EngineError("has no pipes", where="hostile clients", fix="run the campaign again")
    output = process.stdout

    async def said() -> dict[str, int]:
        line = await output.readline()
        if not line:
            raise EngineError(f"ended with {await process.wait()}", where="hostile clients", fix="see its output above")
        return msgspec.json.decode(line, type=dict[str, int])

    try:
        process.stdin.write(msgspec.json.encode(attack))
        process.stdin.close()
        yield said
        await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
