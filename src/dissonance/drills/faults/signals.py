"""Faults by signals: killed, stopped for a while, asked to end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import psutil

from dissonance.drills.faults.scene import Fault, Scene
from dissonance.drills.faults.stand import GROUPS

KILL, STOP, TERMINATE, KILL_WITHOUT_BROKER = "kill", "stop", "terminate", "kill-without-broker"

ENDS = {"postgresql": signal.SIGINT}
"""PostgreSQL's "fast" shutdown, as its supervisor asks for. SIGTERM would wait for clients that never leave."""


def kill(target: str) -> Fault:
    """SIGKILL. A role is started again after a second, an engine by its supervisor."""

    async def act(scene: Scene) -> None:
        await scene.stand.kill(target)
        if target in GROUPS:
            scene.stand.start_later(target)

    return Fault(KILL, target, act)


def stop(target: str) -> Fault:
    """SIGSTOP to it and its children, and SIGCONT after a while: alive, connected, and silent."""

    async def act(scene: Scene) -> None:
        async with stopped(scene, target):
            await asyncio.sleep(scene.hold_s)

    return Fault(STOP, target, act)


@asynccontextmanager
async def stopped(scene: Scene, target: str) -> AsyncIterator[None]:
    """SIGSTOP now, SIGCONT at the end. Raises `EngineError` when it is away."""
    processes = scene.stand.processes(target)
    scene.stand.send(target, signal.SIGSTOP)
    try:
        yield
    finally:
        # Those that were stopped, whatever came in their place meanwhile.
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)


def kill_without_broker(replica: str) -> Fault:
    """The broker is stopped, and in the middle of that a proposer is killed: what it acknowledged meanwhile must be
    found when both are back."""

    async def act(scene: Scene) -> None:
        async with stopped(scene, "nats"):
            await asyncio.sleep(scene.hold_s / 2)
            await scene.stand.kill(replica)
            scene.stand.start_later(replica)
            await asyncio.sleep(scene.hold_s / 2)

    return Fault(KILL_WITHOUT_BROKER, replica, act)


def terminate(target: str) -> Fault:
    """SIGTERM; it is started again as after a kill."""

    async def act(scene: Scene) -> None:
        if target in GROUPS:
            scene.stand.replace_later(target)
        else:
            scene.stand.send(target, ENDS.get(target, signal.SIGTERM), children=False)

    return Fault(TERMINATE, target, act)
