"""Rollbacks by command, back and forth between two real versions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from dissonance.drills.census import TASK
from dissonance.drills.rollback.stage import Stage
from dissonance.pipeline.taking_back import rollback

CALL, AFTER_PROMOTION, COMMAND = "call", "after_promotion", "command"
"""The pipeline's function in the drill's process; the same after the other version was promoted, so that a promotion
under watch ends; and `dissonance models rollback` as a process of its own, its start included."""

BY = "drill"
APART_S = 0.25
"""Seconds between two, in which both replicas answer some requests."""


class Move(NamedTuple):
    """`begun_s`, `until_s`: from the command until the next one, in the time of the event loop. `took_s`: until the
    command said that every replica answers with `version`; `confirmed`, `missing`: how many did, and did not."""

    how: str
    version: int
    begun_s: float
    took_s: float
    until_s: float
    confirmed: int
    missing: int


async def back_and_forth(
    stage: Stage, calls: int, promotions: int, commands: int, tell: Callable[[int], None]
) -> list[Move]:
    moves: list[Move] = []
    first, second = stage.versions
    for number in range(calls):
        moves.append(await _call(stage, CALL, second if number % 2 == 0 else first, name=True))
        tell(1)
    for _ in range(promotions):
        await stage.running.command("models", "promote", TASK, "--version", str(second), "--override", "drill")
        await asyncio.sleep(APART_S)
        moves.append(await _call(stage, AFTER_PROMOTION, first, name=False))
        tell(1)
    for number in range(commands):
        moves.append(await _command(stage, second if number % 2 == 0 else first))
        tell(1)
    await rollback(stage.system, TASK, first, by=BY)
    return moves


async def _call(stage: Stage, how: str, version: int, *, name: bool) -> Move:
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    done = await rollback(stage.system, TASK, version if name else None, by=BY)
    took_s = loop.time() - begun_s
    await asyncio.sleep(APART_S)
    replicas = done.replicas
    return Move(how, done.version, begun_s, took_s, loop.time(), len(replicas.confirmed), len(replicas.missing))


async def _command(stage: Stage, version: int) -> Move:
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    done = await stage.running.command("models", "rollback", TASK, "--to", str(version))
    took_s = loop.time() - begun_s
    await asyncio.sleep(APART_S)
    missing = len(done["replicas_missing"])
    return Move(COMMAND, done["version"], begun_s, took_s, loop.time(), len(done["replicas"]), missing)
