"""How the two models of a rollout behave in the processes that serve them, since the rollout was first looked at."""

from __future__ import annotations

from collections import OrderedDict

from dissonance.contracts.schema import Task
from dissonance.contracts.standings import Behaviour, Standing
from dissonance.decisions.rollouts import Behaved
from dissonance.pipeline.confirming import roll_call
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.rollouts import Rollout

KEPT = 1_000


class Behaviours:
    """What every replica had counted when a rollout was first seen is taken off: the models are held against each other
    over the same time, and what a version did in an earlier one says nothing of this."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop
        self._before: OrderedDict[tuple[str, str, str], Behaviour] = OrderedDict()

    async def since(self, task: Task, rollout: Rollout) -> Behaved | None:
        """None where nobody serves. Raises `EngineUnavailable`."""
        standings = await roll_call(self._workshop, task)
        if not standings:
            return None
        return Behaved(
            _sum([self._of(rollout, each, rollout.model_digest) for each in standings.values()]),
            _sum([self._of(rollout, each, rollout.previous_digest) for each in standings.values()]),
        )

    def _of(self, rollout: Rollout, standing: Standing, digest: str) -> Behaviour:
        now = standing.behaviour.get(digest, Behaviour())
        key = (f"{rollout.rollout_id}/{rollout.phase}", standing.replica, digest)
        before = self._before.setdefault(key, now)
        if now.calls < before.calls:  # another process has its name, and began anew
            before = self._before[key] = Behaviour()
        while len(self._before) > KEPT:
            self._before.popitem(last=False)
        return Behaviour(
            now.calls - before.calls,
            now.failed - before.failed,
            now.log_us - before.log_us,
            now.log_us_squared - before.log_us_squared,
        )


def _sum(behaviours: list[Behaviour]) -> Behaviour:
    return Behaviour(
        sum(each.calls for each in behaviours),
        sum(each.failed for each in behaviours),
        sum(each.log_us for each in behaviours),
        sum(each.log_us_squared for each in behaviours),
    )
