"""Which model gave an answer, and which others were asked about it: from what is stored with the row and registered."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from dissonance.contracts.ids import id_text
from dissonance.contracts.schema import Task
from dissonance.errors import UnknownPrediction
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.registry import ModelRole
from dissonance.ports.store import Experience


class WhoAnswered(NamedTuple):
    """`version` answered `row`, `critic_version` doubted it, `shadow_version` was asked beside it where an update was
    rolled out. None: the registry has no such version any more; of the shadow, that there was none."""

    task: Task
    row: Experience
    version: int | None
    critic_version: int | None
    shadow_version: int | None


async def who_answered(workshop: Workshop, name: str, prediction_id: bytes) -> WhoAnswered:
    """Raises `UnknownTask`, `UnknownPrediction` or `EngineUnavailable`."""
    task = await workshop.store.by_name(name)
    row = (await workshop.store.find(task.task_id, [prediction_id])).get(prediction_id)
    if row is None:
        raise UnknownPrediction(
            f"no input of the task '{name}' has the prediction id {id_text(prediction_id)}",
            where="prediction_id",
            fix="see that it is of this task; an answer is stored some moments after it was given",
        )
    proposers = await _by_digest(workshop, task, ModelRole.PROPOSER)
    critics = await _by_digest(workshop, task, ModelRole.CRITIC)
    return WhoAnswered(
        task,
        row,
        proposers.get(row.model_digest),
        critics.get(row.critic_digest),
        proposers.get(row.shadow_digest),
    )


async def _by_digest(workshop: Workshop, task: Task, role: ModelRole) -> dict[str, int]:
    versions = await asyncio.to_thread(workshop.registry.versions, task.task_id, role)
    return {version.digest: version.version for version in versions}
