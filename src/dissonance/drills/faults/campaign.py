"""The campaign: a load that does not wait, one fault after the other, and how long each takes to be over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from dissonance.drills.faults.load import Answer, OpenLoad
from dissonance.drills.faults.measure import (
    STEP_S,
    WELL_FOR_S,
    Answers,
    Latencies,
    allowed_lag,
    answered_well_from_s,
    drained_from_s,
    latencies,
    tolerated_s,
)
from dissonance.drills.faults.scene import Fault, Scene
from dissonance.drills.faults.stand import ENGINES
from dissonance.drills.faults.watch import LagWatch, engines_answer
from dissonance.errors import DissonanceError, EngineError

CARRIED_P99_S = 0.5
"""With a larger p99 and nothing wrong, the load is more than the machine carries."""

BEFORE_S = 3.0
"""Undisturbed seconds before each fault, which it is measured against."""

WARM_LIMIT_S = 90.0
LIMIT_S = 30.0
"""Without a hand, all must be well again within so many seconds after a fault is over."""

SLOWEST_ANSWER_S = 18.0
"""No request is on its way for longer: two attempts and the pause between them."""

Say = Callable[[str], None]
Tell = Callable[[int], None]


class Pace(NamedTuple):
    """Seconds. `warm_s`: models are loaded and keys of those who come again are known after it; it is no part of the
    figures. `before_s`: undisturbed before each fault. `well_for_s`: all must be well for so long to be well again.
    `give_up_s`: after it a hand is lent."""

    warm_s: float = 12.0
    before_s: float = BEFORE_S
    well_for_s: float = WELL_FOR_S
    give_up_s: float = 2 * LIMIT_S


class Span(NamedTuple):
    """A fault, in seconds since the load began. `recovered_s`: when all was well again, at the earliest at `lifted_s`;
    None when it never was without a hand. `until_s`: when the campaign went on. `problem`: what kept the fault itself
    from being done, empty when nothing did."""

    name: str
    begun_s: float
    lifted_s: float
    recovered_s: float | None
    until_s: float
    by_hand: bool
    problem: str


class Skipped(NamedTuple):
    name: str
    why: str


class Course(NamedTuple):
    """What happened; `first`: the request that the figures begin with."""

    spans: list[Span]
    skipped: list[Skipped]
    first: int


class Campaign:
    """`load` and `watch` run beside it."""

    def __init__(
        self, scene: Scene, load: OpenLoad, watch: LagWatch, say: Say, tell: Tell, pace: Pace | None = None
    ) -> None:
        self._scene, self._load, self._watch = scene, load, watch
        self._say, self._tell, self._pace = say, tell, pace or Pace()
        self._allowed: dict[str, float] = {}

    async def run(self, plan: Sequence[Fault], least_requests: int) -> Course:
        """Each fault of the plan once, and all over again until so many requests were due."""
        await self._warm_up()
        first = len(self._load.answers)
        spans: list[Span] = []
        skipped: list[Skipped] = []
        while not spans or len(self._load.answers) - first < least_requests:
            for fault in plan:
                why = fault.needs(self._scene)
                if why is None:
                    spans.append(await self._suffer(fault))
                elif fault.name not in {each.name for each in skipped}:
                    skipped.append(Skipped(fault.name, why))
                    self._say(f"{fault.name}: left out, {why}")
                self._tell(1)
            if not spans:
                break
        await asyncio.sleep(self._pace.before_s)
        return Course(spans, skipped, first)

    async def _warm_up(self) -> None:
        """Raises `EngineError` when the load is not carried without any fault."""
        await asyncio.sleep(self._pace.warm_s)
        while self.now_s() < WARM_LIMIT_S:
            since_s = self.now_s() - self._pace.warm_s / 2
            if self._well_s(since_s, CARRIED_P99_S) is not None:
                samples = [each for each in self._watch.samples if each.moment_s >= since_s]
                self._allowed = allowed_lag(samples, self.now_s(), self._load.rate)
                return
            await asyncio.sleep(1.0)
        raise EngineError(
            f"{self._load.rate:g} requests a second are not carried here without any fault",
            where="fault campaign",
            fix="choose a lower --rate, and see that nothing else runs on this machine",
        )

    def now_s(self) -> float:
        return asyncio.get_running_loop().time() - self._load.begun_s

    async def _suffer(self, fault: Fault) -> Span:
        await asyncio.sleep(self._pace.before_s)
        begun_s = self.now_s()
        before = latencies(answers_of(self._load, begun_s - self._pace.before_s, begun_s))
        problem = ""
        try:
            await fault.act(self._scene)
        except DissonanceError as error:
            problem = str(error)
        # What is a single blow is over when it was struck; roles come back by themselves from then on.
        lifted_s = begun_s if self.now_s() - begun_s < STEP_S else self.now_s()
        recovered_s = await self._recovered_s(fault, lifted_s, before)
        by_hand = recovered_s is None
        if by_hand:
            self._say(f"{fault.name}: not over after {self._pace.give_up_s:g} s; a hand is lent")
            await self._lend_a_hand(fault, before)
        span = Span(fault.name, begun_s, lifted_s, recovered_s, self.now_s(), by_hand, problem)
        self._say(self._line(span, before))
        return span

    async def _lend_a_hand(self, fault: Fault, before: Latencies) -> None:
        try:
            if fault.hand is not None:
                await fault.hand(self._scene)
            self._scene.stand.start_missing()
        except DissonanceError as error:
            self._say(f"{fault.name}: {error}")
        await self._recovered_s(fault, self.now_s(), before)

    async def _recovered_s(self, fault: Fault, lifted_s: float, before: Latencies) -> float | None:
        """None when it has not within `give_up_s`."""
        back_s: float | None = None
        while self.now_s() - lifted_s < self._pace.give_up_s:
            await asyncio.sleep(STEP_S)
            if back_s is None and await self._is_back(fault):
                back_s = max(lifted_s, self.now_s() - STEP_S)
            since_s = max(lifted_s, self.now_s() - SLOWEST_ANSWER_S)
            well_s = self._well_s(since_s, tolerated_s(before))
            drained_s = drained_from_s(self._watch.samples, lifted_s, self._allowed)
            if back_s is not None and well_s is not None and drained_s is not None:
                return max(back_s, well_s, drained_s)
        return None

    async def _is_back(self, fault: Fault) -> bool:
        try:
            restarting = self._scene.stand.restarting
        except DissonanceError as error:
            self._say(f"{fault.name}: {error}")
            return False
        if restarting:
            return False
        return fault.target not in ENGINES or await engines_answer(self._scene.stand.data)

    def _well_s(self, since_s: float, most_p99_s: float) -> float | None:
        now_s = self.now_s()
        answers = answers_of(self._load, since_s, now_s)
        return answered_well_from_s(answers, since_s, now_s, most_p99_s, self._pace.well_for_s)

    def _line(self, span: Span, before: Latencies) -> str:
        during = answers_of(self._load, span.begun_s, span.until_s)
        failed = int((~during.ok & ~np.isnan(during.latency_s)).sum())
        over = "not by itself" if span.recovered_s is None else f"{span.recovered_s - span.lifted_s:.1f} s"
        return (
            f"{span.name}: {failed} of {len(during.ok)} requests failed, "
            f"p99 {before.p99_s * 1e3:.0f} ms before, {latencies(during).p99_s * 1e3:.0f} ms during; over after {over}"
            + (f"; {span.problem}" if span.problem else "")
        )


def answers_of(load: OpenLoad, from_s: float, until_s: float) -> Answers:
    """Of the requests due in [from, until), seconds since the load began; what is on its way is not ok yet."""
    start = load.number_at(load.begun_s + from_s)
    end = min(len(load.answers), load.number_at(load.begun_s + until_s))
    return arrays(load.answers[start:end], start, load.rate)


def arrays(answers: Sequence[Answer | None], start: int, rate: float) -> Answers:
    """`start`: number of the first."""
    nan = float("nan")
    return Answers(
        due_s=(start + np.arange(len(answers))) / rate,
        latency_s=np.array([nan if each is None else each.latency_s for each in answers], dtype=np.float64),
        ok=np.array([each is not None and each.ok for each in answers], dtype=np.bool_),
    )
