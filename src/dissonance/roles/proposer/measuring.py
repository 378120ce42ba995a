"""Models as the proposer calls them: how long each takes, how often one fails, and that it gives probabilities."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from math import log

import msgspec
import numpy as np

from dissonance.contracts.standings import Behaviour
from dissonance.errors import ModelFailed
from dissonance.ports.clock import Clock
from dissonance.roles.serving import Matrix, Serving

IN_LOOP_ROWS = 256
"""Fewer rows than this are computed in the event loop: a thread would cost more than it frees."""

MODELS_KEPT = 64


class MeasuredModels:
    """One event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._behaviour: OrderedDict[tuple[str, str], Behaviour] = OrderedDict()

    async def probabilities(self, task_id: str, serving: Serving, features: Matrix) -> Matrix:
        """(n, d) to (n, k). Raises `ModelFailed` where a row gets no probabilities."""
        begun_us = self._clock.now_us()
        try:
            if len(features) <= IN_LOOP_ROWS:
                answered = serving.proposer.probabilities(features)
            else:
                answered = await asyncio.to_thread(serving.proposer.probabilities, features)
        except ModelFailed:
            self._count(task_id, serving.proposer_digest, self._clock.now_us() - begun_us, failed=True)
            raise
        holds = bool(np.isfinite(answered).all())
        self._count(task_id, serving.proposer_digest, self._clock.now_us() - begun_us, failed=not holds)
        if not holds:
            raise ModelFailed(
                f"version {serving.version} has no probabilities for a row",
                where=f"model {serving.proposer_digest[:12]}…",
                fix="ask again; take the version back if it goes on: dissonance models rollback TASK",
            )
        return answered

    def behaviour(self, task_id: str) -> dict[str, Behaviour]:
        """By digest, of the models of the task that were called here."""
        return {digest: each for (of_task, digest), each in self._behaviour.items() if of_task == task_id}

    def _count(self, task_id: str, digest: str, took_us: int, *, failed: bool) -> None:
        key = (task_id, digest)
        known = self._behaviour.get(key) or Behaviour()
        logged = 0.0 if failed else log(max(1, took_us))
        self._behaviour[key] = msgspec.structs.replace(
            known,
            calls=known.calls + 1,
            failed=known.failed + failed,
            log_us=known.log_us + logged,
            log_us_squared=known.log_us_squared + logged * logged,
        )
        self._behaviour.move_to_end(key)
        while len(self._behaviour) > MODELS_KEPT:
            self._behaviour.popitem(last=False)
