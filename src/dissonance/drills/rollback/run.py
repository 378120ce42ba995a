"""Drill: hundreds of rollbacks under load, then bad promotions that the system must find out by itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from dissonance.drills.faults.load import Answer
from dissonance.drills.rollback.moves import Move, back_and_forth
from dissonance.drills.rollback.scenarios import SCENARIOS, Found, found_out
from dissonance.drills.rollback.seen import Seen, answers_of
from dissonance.drills.rollback.stage import Say, staged

PROMOTIONS, COMMANDS = 10, 24


class Asked(NamedTuple):
    """Of one replica: what became of every request, and the answers in the order in which they came."""

    answers: list[Answer]
    seen: list[Seen]


class Outcome(NamedTuple):
    rate: float
    moves: list[Move]
    found: list[Found]
    asked: dict[str, Asked]


async def rollback_drill(folder: Path, rollbacks: int, rate: float, say: Say, tell: Callable[[int], None]) -> Outcome:
    """`rollbacks` in all, of which some follow a promotion and some are commands of their own; `tell` hears of each."""
    calls = max(2, rollbacks - PROMOTIONS - COMMANDS)
    async with staged(folder, rate, say, {each.name: each.register for each in SCENARIOS}) as stage:
        moves = await back_and_forth(stage, calls, PROMOTIONS, COMMANDS, tell)
        found = []
        for scenario in SCENARIOS:
            say(f"somebody puts a {scenario.name} model into production; nobody takes it back")
            found.append(await found_out(stage, scenario))
            say(f"{found[-1].incident_s - found[-1].moved_s:.1f} s: {found[-1].reason}")
    asked = {
        replica: Asked([each for each in load.answers if each is not None], answers_of(load))
        for replica, load in stage.loads.items()
    }
    return Outcome(rate, moves, found, asked)
