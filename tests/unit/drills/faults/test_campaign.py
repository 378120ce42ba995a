"""The course of a campaign, on a server that is told when to fail and parts that are told when to be away."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from aiohttp import web

from dissonance.drills.faults.campaign import Campaign, Course, Pace
from dissonance.drills.faults.load import OpenLoad
from dissonance.drills.faults.measure import LagSample
from dissonance.drills.faults.scene import Fault, Scene
from dissonance.drills.faults.watch import LagWatch
from dissonance.errors import EngineError
from unit.drills.faults.test_load import CountingBytes, Numbers, reply

PACE = Pace(warm_s=1.2, before_s=0.4, well_for_s=0.5, give_up_s=2.0)
RATE = 100.0


class Part:
    """A part that a fault breaks; it answers, and is back, unless `broken`."""

    def __init__(self) -> None:
        self.broken = False
        self.restarting = False
        self.data = None
        self.mended_by: list[str] = []

    def start_missing(self) -> None:
        self.mended_by.append("hand")
        self.broken = False

    async def answer(self, request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=500) if self.broken else web.Response(body=reply())


class Lag:
    """Stands for `LagWatch`."""

    def __init__(self) -> None:
        self.samples: list[LagSample] = []

    async def run(self, campaign: Campaign) -> None:
        while True:
            self.samples.append(LagSample(campaign.now_s(), {"gate": 0}))
            await asyncio.sleep(0.1)


def run(*plan: Fault, least: int = 0) -> tuple[Course, Part, list[str]]:
    async def course() -> tuple[Course, Part, list[str]]:
        part, said, lag = Part(), list[str](), Lag()
        app = web.Application()
        app.router.add_route("*", "/predict", part.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/predict"
        stop = asyncio.Event()
        scene = cast(Scene, type("Stage", (), {"stand": part, "hold_s": 0.5})())
        try:
            async with OpenLoad(url, "token", Numbers(), RATE, CountingBytes()) as load, asyncio.TaskGroup() as tasks:
                campaign = Campaign(scene, load, cast(LagWatch, lag), said.append, lambda count: None, PACE)
                tasks.create_task(load.run(stop))
                await asyncio.sleep(0)
                watching = tasks.create_task(lag.run(campaign))
                found = await campaign.run(plan, least)
                stop.set()
                watching.cancel()
            return found, part, said
        finally:
            await runner.cleanup()

    return asyncio.run(course())


def fault(name: str, act: Any, **more: Any) -> Fault:
    return Fault("break", name, act, **more)


async def breaks_for_a_while(scene: Any) -> None:
    async def mend() -> None:
        await asyncio.sleep(1.0)
        scene.stand.broken = False

    scene.stand.broken = True
    scene.mending = asyncio.create_task(mend())


async def breaks_for_good(scene: Any) -> None:
    scene.stand.broken = True


async def cannot_be_done(scene: Any) -> None:
    raise EngineError("it is away")


def test_each_fault_is_suffered_in_turn_and_measured_until_it_is_over() -> None:
    course, part, said = run(
        fault("mends itself", breaks_for_a_while),
        fault("needs a hand", breaks_for_good),
        fault("not here", breaks_for_good, needs=lambda scene: "there is no such thing"),
        fault("fails", cannot_be_done),
    )

    mends, hand, fails = course.spans
    assert mends.recovered_s is not None
    assert mends.recovered_s - mends.begun_s >= 0.8
    assert (mends.by_hand, mends.problem, mends.lifted_s) == (False, "", mends.begun_s)
    assert (hand.by_hand, hand.recovered_s, part.mended_by) == (True, None, ["hand"])
    assert hand.begun_s - mends.until_s >= PACE.before_s
    assert fails.problem.startswith("it is away")
    assert [(each.name, each.why) for each in course.skipped] == [("break not here", "there is no such thing")]
    assert any("a hand is lent" in line for line in said)
    assert course.first >= PACE.warm_s * RATE
