"""Does every replica of the proposer answer with the version that it should? They are asked, and named."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import msgspec

from dissonance.contracts.schema import Task
from dissonance.contracts.standings import CONFIRM_LIMIT_S, NAMELESS, NOT_LOADED, SERVING, ServingQuestion, Standing
from dissonance.pipeline.workshop import Workshop

ROLL_CALL_S = 0.25
"""A replica that lives answers within milliseconds; who does not within this time is not waited for."""

ASK_AGAIN_S = 0.02


class Confirmed(NamedTuple):
    """`confirmed`: replicas that answer with the version, or will at their first request; `missing`: those that lived
    and did not follow, or `NAMELESS`. `took_us`: from the first question after the move to the last answer."""

    confirmed: tuple[str, ...]
    missing: tuple[str, ...]
    took_us: int


async def roll_call(workshop: Workshop, task: Task, wait_s: float = ROLL_CALL_S) -> dict[str, Standing]:
    """The replicas that live now, by name. Raises `EngineUnavailable`."""
    return (await _ask(workshop, task, (), wait_s)).standings


@asynccontextmanager
async def roll_call_beside(workshop: Workshop, task: Task) -> AsyncIterator[asyncio.Task[dict[str, Standing]]]:
    """A roll call that goes on while the body runs, and ends with it at the latest."""
    calling = asyncio.create_task(roll_call(workshop, task))
    try:
        yield calling
    finally:
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)


async def confirm(
    workshop: Workshop, task: Task, version: int, known: Sequence[str], limit_s: float = CONFIRM_LIMIT_S
) -> Confirmed:
    """Ask until all `known` replicas, and whoever else answers, are on `version`, or `limit_s` is over.

    Beside others, a replica that answers no question before the move and none after it is not known: it is stopped, or
    cut off from the broker, and reads which version is in production when it is back. Raises `EngineUnavailable`.
    """
    begun_us = workshop.clock.now_us()
    following: dict[str, bool] = dict.fromkeys(known, False)
    while True:
        left_s = limit_s - (workshop.clock.now_us() - begun_us) / 1e6
        said = await _ask(workshop, task, known, max(ASK_AGAIN_S, min(1.0, left_s)))
        following |= {name: each.version in (version, NOT_LOADED) for name, each in said.standings.items()}
        following = with_who_is_nameless(following, said.listened)
        took_us = workshop.clock.now_us() - begun_us
        if all(following.values()) or took_us >= limit_s * 1e6:
            break
        await asyncio.sleep(ASK_AGAIN_S)
    return Confirmed(
        tuple(sorted(name for name, follows in following.items() if follows)),
        tuple(sorted(name for name, follows in following.items() if not follows)),
        took_us,
    )


def with_who_is_nameless(following: Mapping[str, bool], listened: bool) -> dict[str, bool]:
    """Where nobody has spoken yet and somebody listens, that one counts, as one that does not follow.

    >>> with_who_is_nameless({}, listened=True), with_who_is_nameless({}, listened=False)
    ({'?': False}, {})
    >>> with_who_is_nameless({"?": False, "host/1": True}, listened=True)
    {'host/1': True}
    """
    named = {name: follows for name, follows in following.items() if name != NAMELESS}
    return {NAMELESS: False} if listened and not named else named


class _Said(NamedTuple):
    standings: dict[str, Standing]
    listened: bool


async def _ask(workshop: Workshop, task: Task, known: Sequence[str], wait_s: float) -> _Said:
    """Returns as soon as all `known` have answered; when nobody is known, after `wait_s`."""

    def enough(said: Sequence[bytes]) -> bool:
        return bool(known) and set(known) <= {_read(each).replica for each in said}

    question = msgspec.msgpack.encode(ServingQuestion(task.task_id))
    heard = await workshop.bus.ask(SERVING, question, wait_s=wait_s, enough=enough)
    return _Said({each.replica: each for each in map(_read, heard.said)}, heard.listened)


def _read(said: bytes) -> Standing:
    return msgspec.msgpack.decode(said, type=Standing)
