"""Faults of the network: what a role says to an engine, and hears of it, is late, slow, or lost for a while."""

from __future__ import annotations

import asyncio

from dissonance.drills.faults.proxy import FAIR, Weather
from dissonance.drills.faults.scene import Act, Fault, Scene
from dissonance.drills.faults.stand import ENGINES

SLOW, CUT = "slow", "cut"
SLOW_WEATHER = Weather(delay_s=0.1, bytes_per_s=1_048_576.0)
"""A fifth of a second there and back, as to the other side of the earth, and eight megabits a second."""

CUT_WEATHER = Weather(cut=True)


def slow(target: str) -> Fault:
    """A role's way to the broker, or every role's way to an engine."""
    return Fault(SLOW, target, _under(target, SLOW_WEATHER))


def cut(target: str) -> Fault:
    return Fault(CUT, target, _under(target, CUT_WEATHER))


def _under(target: str, weather: Weather) -> Act:
    async def act(scene: Scene) -> None:
        is_engine = target in ENGINES
        links = list(scene.stand.links_of(None if is_engine else target, target if is_engine else "nats"))
        for link in links:
            link.weather = weather
        try:
            await asyncio.sleep(scene.hold_s)
        finally:
            for link in links:
                link.weather = FAIR

    return act
