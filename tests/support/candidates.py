"""A task with a model in production, and candidates that are worse than it in one way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from dissonance.contracts.events import UpdateJudged
from dissonance.decisions.pairs import LoadedPair, find_version, load_pair
from dissonance.decisions.updates.numbers import UpdateNumbers
from dissonance.pipeline.judging import gather, judge_pair
from dissonance.pipeline.looked_at import look
from dissonance.pipeline.mature_window import mature_window
from dissonance.pipeline.reference import open_reference
from dissonance.pipeline.training import LabelledRows
from dissonance.ports.store import Split
from support.workshop import Served, small_task

Matrix = NDArray[np.float64]
Answer = Callable[[Matrix, Matrix], Matrix]
"""From features (n, d) and what the model in production says of them, (n, k), to what the candidate says."""


@cache
def _made() -> Served:
    return small_task()


class Altered:
    """The model in production, and what `answer` makes of it; each call takes `took_s` of the clock."""

    def __init__(self, bench: Bench, answer: Answer, took_s: float) -> None:
        self._bench, self._answer, self._took_s = bench, answer, took_s

    def probabilities(self, features: Matrix) -> Matrix:
        self._bench.work.clock.advance(self._took_s)
        return self._answer(features, self._bench.incumbent.proposer.probabilities(features))


class Bench:
    """One task for all: 150 golden rows and version 1 in production. A policy of its own for every judgement."""

    def __init__(self) -> None:
        self.work, self.task = _made()
        version = find_version(self.work.registry, self.task, 1)
        self.incumbent = load_pair(self.work.registry, self.work.artefact_keys, self.task, version)

    @property
    def golden(self) -> LabelledRows:
        return asyncio.run(open_reference(self.work, self.task, Split.GOLDEN)).rows

    @property
    def window(self) -> Matrix:
        """What KL and latency are measured on."""
        return asyncio.run(mature_window(self.work, self.task)).features

    def candidate(
        self, answer: Answer = lambda features, p: p, *, took_s: float = 0.0, metrics: dict[str, float] | None = None
    ) -> LoadedPair:
        version = msgspec.structs.replace(self.incumbent.version, version=2, digest="2" * 64, metrics=metrics or {})
        return self.incumbent._replace(version=version, proposer=Altered(self, answer, took_s))

    def judge(self, candidate: LoadedPair, **policy: Any) -> UpdateJudged:
        self._set(policy)
        event_id = self.work.randomness.token(8).hex()
        return asyncio.run(judge_pair(self.work, self.task, self.incumbent, candidate, event_id, by="a test"))

    def numbers(self, **policy: Any) -> UpdateNumbers:
        """Of a candidate that is the model in production."""
        self._set(policy)
        in_force = asyncio.run(self.work.store.policy(self.task.task_id))
        looked = asyncio.run(look(self.work, self.task))
        return asyncio.run(gather(self.work, self.task, self.incumbent, self.candidate(), looked, in_force))

    def _set(self, values: dict[str, Any]) -> None:
        history = asyncio.run(self.work.store.policy_history(self.task.task_id))
        after = msgspec.structs.replace(history[-1].policy, version=history[0].policy.version + 1, **values)
        asyncio.run(self.work.store.set_policy(self.task.task_id, after, reason="a test", by="a test"))
