"""What is done to a system on purpose, and must not be seen by a client: rolling restart, model swap; and clocks."""

from __future__ import annotations

import asyncio

import aiohttp

from dissonance.drills import census
from dissonance.drills.client import connector_to
from dissonance.drills.faults.scene import Fault, Scene
from dissonance.drills.faults.stand import GROUPS, READY_EVERY_S, RESTART_LIMIT_S
from dissonance.errors import TimedOut

ROLLING, SWAP, SKEW = "rolling-restart", "model-swap", "clock-skew"
AHEAD_S, BEHIND_S = 90, -90
"""More than a token's tolerance of a minute, less than what a token lives."""

SETTLED_S = 2.0
"""After a replica is ready, until the balancer has seen it four times."""

REASON = "fault campaign"


def rolling_restart(groups: tuple[str, ...] = tuple(GROUPS)) -> Fault:
    """Every role in turn: SIGTERM, started anew, the next one when it is ready. No request may fail."""

    async def act(scene: Scene) -> None:
        for group in groups:
            await scene.stand.terminate(group)
            await scene.stand.start_again(group, 0.0)
            await until_ready(scene, group)
            await asyncio.sleep(SETTLED_S)

    return Fault(ROLLING, "roles" if groups == tuple(GROUPS) else "+".join(groups), act)


def model_swap() -> Fault:
    """The candidate is promoted, and taken back a while later. No request may fail."""

    async def act(scene: Scene) -> None:
        command, version = scene.stand.system.command, str(scene.candidate)
        await command("models", "promote", census.TASK, "--version", version, "--override", REASON)
        await asyncio.sleep(scene.hold_s)
        await command("models", "rollback", census.TASK)

    return Fault(SWAP, "proposer", act)


def clock_skew(group: str, offset_s: int) -> Fault:
    """A role runs for a while with a clock that is wrong; it is started for that, and again after."""

    def needs(scene: Scene) -> str | None:
        return None if scene.faketime is not None else "libfaketime is not installed (apt install libfaketime)"

    async def act(scene: Scene) -> None:
        variables = {
            "LD_PRELOAD": str(scene.faketime),
            "FAKETIME": f"{offset_s:+d}s",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # only the wall clock is wrong
            "FAKETIME_NO_CACHE": "1",
            "NO_FAKE_STAT": "1",
        }
        await scene.stand.terminate(group)
        await scene.stand.start_again(group, 0.0, variables)
        await asyncio.sleep(scene.hold_s)
        await scene.stand.terminate(group)
        await scene.stand.start_again(group, 0.0)

    return Fault(SKEW, f"{group} {offset_s:+d} s", act, needs=needs)


async def until_ready(scene: Scene, group: str) -> None:
    """Until `/readyz` says yes. Raises `TimedOut`."""
    url, connector = scene.stand.system.group_url(group), connector_to(scene.stand.system.trust())
    try:
        async with asyncio.timeout(RESTART_LIMIT_S), aiohttp.ClientSession(connector=connector) as session:
            while not await _is_ready(session, f"{url}/readyz"):
                await asyncio.sleep(READY_EVERY_S)
    except TimeoutError as error:
        raise TimedOut(f"{group} is not ready", where=url, fix="read its log") from error


async def _is_ready(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False
