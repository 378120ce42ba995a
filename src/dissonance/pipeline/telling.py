"""What is said of rollouts, and that it is said: whoever saved a step may have died before it told of it.

A step lies among the untold from the transaction that saves it until its events were published; whoever looks next
tells what is left over. The ids of the events are those of their cause, so that telling them again changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from dissonance.contracts.columns import derived_id
from dissonance.contracts.events import Event, IncidentRaised, ModelPromoted, ModelRolledBack, RolloutChanged
from dissonance.contracts.schema import Task
from dissonance.contracts.updates import RolloutPhase
from dissonance.decisions.evidence.bundle import StepTaken
from dissonance.decisions.rollouts import evidence_of
from dissonance.pipeline.aliases import critic_follows, production_version
from dissonance.pipeline.confirming import confirm, roll_call
from dissonance.pipeline.verifying import proven_bundle
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.rollouts import Rollout, step_cause, told_as
from dissonance.telemetry.logs import log
from dissonance.telemetry.names import LogAction

GATE = "gate"
LEFT_TO_OTHERS_US = 5_000_000
"""Whoever saved a step tells it within moments; after so long it is somebody else's to tell."""

EVER_US = 2**62

_logger = logging.getLogger(__name__)


async def publish(workshop: Workshop, task: Task, events: Sequence[Event]) -> None:
    """Publish what a step made of itself; then it is told. Raises `EngineUnavailable`: it is not, then."""
    await workshop.bus.publish(events)
    await are_told(workshop, task, events)


async def are_told(workshop: Workshop, task: Task, events: Sequence[Event]) -> None:
    """Of what was published, the steps of rollouts are told, and all that they ask for is done."""
    told = [event.event_id for event in events if isinstance(event, RolloutChanged)]
    if told:
        await workshop.store.rollouts_told(task.task_id, told)


async def is_untold(workshop: Workshop, rollout: Rollout) -> bool:
    """Whether what its phase asks for may not have been done yet. What was told of was done before."""
    untold = await workshop.store.untold_rollouts(EVER_US)
    return told_as(rollout) in {told_as(each) for each in untold}


async def tell_again(workshop: Workshop, task: Task) -> list[Event]:
    """Publish what was left untold of this task; returns it. Raises `SealBroken` or `EngineUnavailable`."""
    said: list[Event] = []
    for rollout in await workshop.store.untold_rollouts(workshop.clock.now_us() - LEFT_TO_OTHERS_US):
        if rollout.task_id == task.task_id:
            events = await _left_over(workshop, task, rollout)
            await publish(workshop, task, events)
            said += events
    return said


async def _left_over(workshop: Workshop, task: Task, rollout: Rollout) -> list[Event]:
    """A move is told only where it still stands: what moved on since has events of its own."""
    events: list[Event] = [changed(workshop, rollout)]
    wanted = moves_to(rollout)
    if wanted is None:
        return events
    version, kind = wanted
    serving = await production_version(workshop, task)
    if serving.version == version:
        await critic_follows(workshop, task, serving)
        events.append(moved(workshop, rollout, kind))
    kept = await workshop.store.decision_of(task.task_id, step_cause(rollout))
    step = None if kept is None else proven_bundle(kept, workshop.artefact_keys.verification).step
    if kind is ModelRolledBack and step is not None:
        events.append(await incident(workshop, task, step, rollout, events))
    return events


def moves_to(rollout: Rollout) -> tuple[int, type[ModelPromoted]] | None:
    """The version that its phase puts into production, and what says so; None where it puts none there."""
    if rollout.phase is RolloutPhase.ARMED:
        return rollout.version, ModelPromoted
    if rollout.phase is RolloutPhase.ROLLED_BACK:
        return rollout.put_back[0], ModelRolledBack
    return None


async def incident(
    workshop: Workshop, task: Task, step: StepTaken, ended: Rollout, events: Sequence[Event]
) -> IncidentRaised:
    """Said when every replica was asked. The `events` that move them go out first."""
    known = await roll_call(workshop, task)
    await workshop.bus.publish(events)
    followed = await confirm(workshop, task, ended.previous_version, list(known))
    log(_logger, LogAction.INCIDENT_RAISED, logging.ERROR, task=task.name, version=ended.version, why=ended.reason)
    return IncidentRaised(
        event_id=derived_id("incident_raised", [ended.rollout_id, str(ended.revision)]),
        task_id=task.task_id,
        produced_at_us=workshop.clock.now_us(),
        producer=GATE,
        version=ended.version,
        previous_version=ended.previous_version,
        what=f"version {ended.version} was taken back: {ended.reason}",
        since_us=step.rollout.phase_at_us,
        evidence=evidence_of(step.paired, step.believed, step.behaved),
        replicas=list(followed.confirmed),
        replicas_missing=list(followed.missing),
    )


def changed(workshop: Workshop, rollout: Rollout) -> RolloutChanged:
    return RolloutChanged(
        event_id=told_as(rollout),
        task_id=rollout.task_id,
        produced_at_us=workshop.clock.now_us(),
        producer=GATE,
        rollout_id=rollout.rollout_id,
        phase=rollout.phase,
        version=rollout.version,
        previous_version=rollout.previous_version,
        reason=rollout.reason,
    )


def moved(workshop: Workshop, rollout: Rollout, kind: type[ModelPromoted]) -> ModelPromoted:
    back = kind is ModelRolledBack
    version, digest = rollout.put_back if back else (rollout.version, rollout.model_digest)
    return kind(
        event_id=derived_id(kind.KIND, [rollout.rollout_id, str(rollout.revision)]),
        task_id=rollout.task_id,
        produced_at_us=workshop.clock.now_us(),
        producer=GATE,
        version=version,
        model_digest=digest,
        previous_version=rollout.version if back else rollout.previous_version,
        reason=rollout.reason,
        by=rollout.by,
    )
