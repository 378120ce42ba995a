"""Keeps one engine running: starts it, waits until it answers, starts it again when it dies or lives to no purpose."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from signal import Signals
from typing import NoReturn

import msgspec

from dissonance.adapters.embedded.engine import Engine
from dissonance.adapters.embedded.files import tail
from dissonance.adapters.embedded.process import Child, ProcessIdentity
from dissonance.errors import EngineError, EngineUnavailable, TimedOut

Report = Callable[[str], None]
"""Takes one line for people: what the supervisor sees and does."""

Started = Callable[[str, ProcessIdentity], None]
"""Takes the name and the identity of a child as soon as it exists, to be written down."""


class Backoff(msgspec.Struct, frozen=True):
    """How long to wait before the n-th start in a row, in seconds, and when to give up.

    >>> [Backoff().delay_s(failures) for failures in (0, 1, 2, 9)]
    [0.1, 0.2, 0.4, 5.0]
    """

    first_s: float = 0.1
    most_s: float = 5.0
    healthy_s: float = 10.0  # seconds it must live before its earlier failures are forgotten
    give_up_after: int = 12  # failed starts in a row, about 40 s of waiting

    def delay_s(self, failures: int) -> float:
        return min(self.most_s, self.first_s * 2.0**failures)


class SupervisedEngine:
    """`attempt_every_s`: seconds between two looks at whether a starting engine answers; `look_every_s`: at whether one
    that runs must be started again."""

    def __init__(
        self,
        engine: Engine,
        *,
        report: Report,
        started: Started,
        backoff: Backoff | None = None,
        attempt_every_s: float = 0.05,
        look_every_s: float = 5.0,
    ) -> None:
        self.engine = engine
        self.child: Child | None = None
        self._report = report
        self._started = started
        self._backoff = backoff or Backoff()
        self._attempt_every_s = attempt_every_s
        self._look_every_s = look_every_s

    async def start(self) -> None:
        """Start it and return when it answers.

        Raises `EngineError` with the tail of its log; nothing of it runs then.
        """
        program = self.engine.program()
        child = self.child = await Child.start(program)
        try:
            self._started(program.name, child.identity)
            await self._wait_until_ready(child)
        except BaseException:
            # Also when cancelled: a child that nobody watches must not stay.
            await child.stop()
            raise

    async def keep_running(self) -> NoReturn:
        """Start it again whenever it dies or says that it must be, at the same address, until cancelled.

        Raises `EngineError` when it does not come back.
        """
        failures = 0
        while True:
            failures = await self._until_death(failures)
            while True:
                await asyncio.sleep(self._backoff.delay_s(failures))
                failures += 1
                try:
                    await self.start()
                except EngineError as error:
                    self._report(f"{self.engine.name} did not come back: {error.what}")
                    if failures >= self._backoff.give_up_after:
                        raise
                else:
                    self._report(f"{self.engine.name} is back")
                    break

    async def stop(self) -> None:
        if self.child is not None:
            await self.child.stop()

    def send(self, number: Signals) -> None:
        """To the engine, while it lives."""
        if self.child is not None and self.child.is_running:
            self.child.send(number)

    async def _until_death(self, failures: int) -> int:
        """Wait for the end of the child; the failures that still count."""
        assert self.child is not None, "start() comes first"
        looking = asyncio.create_task(self._end_when_useless(self.child))
        try:
            async with asyncio.timeout(self._backoff.healthy_s):
                code = await self.child.exited()
        except TimeoutError:
            failures = 0
            code = await self.child.exited()
        finally:
            looking.cancel()
        self.child.kill_rest()
        self._report(f"{self.engine.name} {_describe_exit(code)}; it is started again")
        return failures

    async def _end_when_useless(self, child: Child) -> None:
        while True:
            await asyncio.sleep(self._look_every_s)
            if reason := await self.engine.why_start_again():
                self._report(f"{self.engine.name} {reason}; it is stopped")
                await child.stop()
                return

    async def _wait_until_ready(self, child: Child) -> None:
        last = ""
        try:
            async with asyncio.timeout(self.engine.ready_limit_s):
                while child.is_running:
                    try:
                        await self.engine.check_ready()
                        return
                    except EngineUnavailable as error:
                        last = error.what
                    await asyncio.sleep(self._attempt_every_s)
        except TimeoutError as error:
            raise TimedOut(
                f"{self.engine.name} did not answer within {self.engine.ready_limit_s:.0f} s ({last}); its log ends:\n"
                f"{tail(child.program.log)}",
                where=str(child.program.log),
                fix="mend what the log names; on a busy machine, start again",
            ) from error
        code = await child.exited()
        raise EngineError(
            f"{self.engine.name} {_describe_exit(code)} before it was ready; its log ends:\n{tail(child.program.log)}",
            where=str(child.program.log),
            fix="mend what the log names, then start again",
        )


def _describe_exit(code: int) -> str:
    """
    >>> _describe_exit(-9), _describe_exit(1)
    ('was ended by signal 9', 'ended with exit code 1')
    """
    return f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
