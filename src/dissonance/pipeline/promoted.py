"""What came of putting a version into production by hand, or back, and how it is told."""

from __future__ import annotations

from typing import NamedTuple

from dissonance.contracts.events import ModelPromoted, UpdateJudged
from dissonance.contracts.schema import Task
from dissonance.contracts.updates import RolloutPhase
from dissonance.pipeline.confirming import Confirmed
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.registry import ModelVersion
from dissonance.ports.rollouts import Rollout

PRODUCER = "pipeline"

NOBODY = Confirmed((), (), 0)


class Promoted(NamedTuple):
    """`previous_version` was in production before; `judged` is what the gate said, None after a rollback and for a
    version that was in production already. `phase`: of the newest rollout; `canary` where nothing moved yet.
    `replicas`: who answers with `version` now, and who does not. `rollout`: the newest when a version was put back.
    `changed`: by this call; False where all was so already."""

    task: Task
    version: int
    critic_version: int
    previous_version: int | None
    judged: UpdateJudged | None
    phase: RolloutPhase
    replicas: Confirmed = NOBODY
    rollout: Rollout | None = None
    changed: bool = True


def moved_by_hand(
    workshop: Workshop,
    task: Task,
    put: ModelVersion,
    previous: int | None,
    reason: str,
    by: str,
    kind: type[ModelPromoted],
) -> ModelPromoted:
    return kind(
        event_id=token_of(workshop),
        task_id=task.task_id,
        produced_at_us=workshop.clock.now_us(),
        producer=PRODUCER,
        version=put.version,
        model_digest=put.digest,
        previous_version=previous,
        reason=reason,
        by=by,
    )


def token_of(workshop: Workshop) -> str:
    """32 hex digits that nobody had before."""
    return workshop.randomness.token(16).hex()
