"""What happens to the models meanwhile: each version comes its way into production, and some go back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import StrEnum

from dissonance.bootstrap import System
from dissonance.contracts.schema import Task
from dissonance.contracts.updates import LIVE_PHASES, RolloutPhase
from dissonance.drills.census import TASK
from dissonance.drills.client import DissonanceClient
from dissonance.drills.system import RunningSystem
from dissonance.drills.who_answered.account import Canary
from dissonance.drills.who_answered.stream import Stream
from dissonance.errors import EngineError, TimedOut

ANYHOW = ("--override", "drill: who answers is what is asked, not how well")
"""On so few rows the gate refuses some candidates, as chance has it."""

LOOK_EVERY_S = 0.2
SILENT_S = 2.0
LIMIT_S = 120.0
Say = Callable[[str], None]


class Way(StrEnum):
    CANARY = "its canary, which promotes itself"
    AT_ONCE = "at once"
    TAKEN_BACK = "its canary, which is taken back by hand"


def ways(versions: int) -> list[Way]:
    """Of every version but the first.

    >>> [way.name for way in ways(5)]
    ['CANARY', 'AT_ONCE', 'CANARY', 'TAKEN_BACK']
    """
    return [(Way.CANARY, Way.AT_ONCE)[number % 2] for number in range(versions - 2)] + [Way.TAKEN_BACK]


class Story:
    """`least`: answers by each version in each of its states, before it goes on."""

    def __init__(
        self, running: RunningSystem, system: System, task: Task, learner: DissonanceClient, stream: Stream, least: int
    ) -> None:
        self.canaries: list[Canary] = []
        self._running = running
        self._system = system
        self._task = task
        self._learner = learner
        self._stream = stream
        self._least = least

    async def tell(self, versions: int, say: Say, tell: Callable[[int], None]) -> None:
        production = 1
        await self._answers(production)
        for way in ways(versions):
            await self._stream.label(self._learner)
            retrained = await self._running.command("models", "retrain", TASK)
            version = int(retrained["version"])
            say(f"version {version} goes live by {way.value}, after {len(self._stream.replies)} answers")
            if way is Way.AT_ONCE:
                await self._running.command("models", "promote", TASK, "--version", str(version), *ANYHOW)
            else:
                await self._canary(version, production, way)
            if way is not Way.TAKEN_BACK:
                await self._settled()
                production = version
            tell(1)
        say(f"version {production} is rolled back to version 1")
        await self._running.command("models", "rollback", TASK, "--to", "1")
        await self._answers(1)

    async def _canary(self, version: int, production: int, way: Way) -> None:
        """No label of its answers comes before enough of them were given: until then it can only be a canary."""
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        await self._running.command("models", "promote", TASK, "--version", str(version), "--canary", *ANYHOW)
        await self._answers(version)
        sure_until_s = loop.time()
        if way is Way.CANARY:
            await self._stream.label(self._learner)
            await self._settled()
            # What is in production already is promoted again: each replica confirms it.
            await self._running.command("models", "promote", TASK, "--version", str(version))
        else:
            await self._running.command("models", "rollback", TASK)
            await self._silent(version)
        self.canaries.append(Canary(version, production, begun_s, sure_until_s, loop.time()))

    async def _answers(self, version: int) -> None:
        """Waits for so many more of them."""
        wanted = self._stream.answered_by(version) + self._least
        async with _limited(f"version {version} answers no more"):
            while self._stream.answered_by(version) < wanted:
                await asyncio.sleep(LOOK_EVERY_S)

    async def _silent(self, version: int) -> None:
        """What the command confirms is who is in production; a replica may let go of a canary a moment later."""
        answered = -1
        async with _limited(f"version {version} still answers"):
            while answered != (answered := self._stream.answered_by(version)):
                await asyncio.sleep(SILENT_S)

    async def _settled(self) -> None:
        """Raises `TimedOut`, and `EngineError` where the version did not stay in production."""
        async with _limited("a rollout has not ended"):
            while (rollout := await self._system.store.rollout(self._task.task_id)) is None or (
                rollout.phase in LIVE_PHASES
            ):
                await asyncio.sleep(LOOK_EVERY_S)
        if rollout.phase is not RolloutPhase.SETTLED:
            raise EngineError(f"version {rollout.version} did not stay: {rollout.reason}", where="drill", fix="see why")


@asynccontextmanager
async def _limited(what: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(LIMIT_S):
            yield
    except TimeoutError as error:
        raise TimedOut(f"{what} after {LIMIT_S:g} s", where="drill", fix="read the logs") from error
