"""Updates on their way into production, in memory (`ports.rollouts.RolloutStore`)."""

from __future__ import annotations

from collections.abc import Sequence

from dissonance.adapters.memory.held import Held
from dissonance.adapters.memory.labels import BUDGETED
from dissonance.contracts.events import UpdateJudged
from dissonance.contracts.updates import LIVE_PHASES
from dissonance.ports.decisions import Decision
from dissonance.ports.rollouts import (
    PairedCounts,
    PairsOfChance,
    Rollout,
    known_as,
    step_of_chance,
    told_as,
    weighed_counts,
)


class MemoryRollouts(Held):
    async def rollout(self, task_id: str) -> Rollout | None:
        found = await self.rollouts(task_id, 1)
        return found[0] if found else None

    async def rollouts(self, task_id: str, limit: int = 100) -> list[Rollout]:
        known = self._known(task_id)
        return list(reversed(known.rollouts.values()))[:limit] if known is not None else []

    async def live_rollouts(self) -> list[Rollout]:
        self._require()
        known = [rollout for task in self._tasks.values() for rollout in task.rollouts.values()]
        return [rollout for rollout in known if rollout.phase in LIVE_PHASES]

    async def save_rollout(self, rollout: Rollout, decision: Decision, after: str | None = None) -> bool:
        known = self._of(rollout.task_id)
        rollouts = known.rollouts
        if after is not None and known_as(next(reversed(rollouts.values()), None)) != after:
            return False
        before = rollouts.get(rollout.rollout_id)
        if rollout.revision == 1:
            if before is not None or any(each.phase in LIVE_PHASES for each in rollouts.values()):
                return False
        elif before is None or before.revision != rollout.revision - 1:
            return False
        rollouts[rollout.rollout_id] = rollout
        known.add_decision(decision)
        known.untold[told_as(rollout)] = (self._clock.now_us(), rollout)
        return True

    async def untold_rollouts(self, saved_before_us: int) -> list[Rollout]:
        self._require()
        untold = [each for task in self._tasks.values() for each in task.untold.values()]
        return [rollout for saved_us, rollout in untold if saved_us < saved_before_us]

    async def rollouts_told(self, task_id: str, event_ids: Sequence[str]) -> None:
        known = self._known(task_id)
        if known is not None:
            for event_id in event_ids:
                known.untold.pop(event_id, None)

    async def record_update(self, judged: UpdateJudged, decision: Decision) -> int:
        known = self._of(judged.task_id)
        if judged.event_id not in known.updates:
            known.updates[judged.event_id] = (judged, known.add_decision(decision))
        return known.updates[judged.event_id][1]

    async def updates(self, task_id: str, limit: int = 100) -> list[UpdateJudged]:
        known = self._known(task_id)
        return [judged for judged, _ in reversed(known.updates.values())][:limit] if known is not None else []

    async def paired_counts(self, task_id: str, model_digest: str, shadow_digest: str, since_us: int) -> PairedCounts:
        known = self._known(task_id)
        if known is None:
            return weighed_counts([])
        drawn = {each.prediction_id: each.propensity for each in known.requests.values() if each.asked_as in BUDGETED}
        pairs: dict[int | None, list[tuple[bool, bool]]] = {}
        for prediction_id, row in known.experience.items():
            label = known.labels.get(prediction_id)
            if (
                (row.model_digest, row.shadow_digest) == (model_digest, shadow_digest)
                and row.event_time_us >= since_us
                and label is not None
                and label.learnable
                and label.right is not None
                and label.shadow_right is not None
            ):
                step = step_of_chance(drawn[prediction_id]) if prediction_id in drawn else None
                pairs.setdefault(step, []).append((label.right, label.shadow_right))
        kinds = [(True, True), (True, False), (False, True), (False, False)]
        return weighed_counts([PairsOfChance(step, *map(found.count, kinds)) for step, found in pairs.items()])
