"""The update that the loop asks for: train when it makes sense, register once, say so."""

from __future__ import annotations

import asyncio
import logging

from dissonance.contracts.columns import derived_id
from dissonance.contracts.events import CandidateRegistered, Event, RetrainRequested
from dissonance.contracts.schema import Task
from dissonance.contracts.updates import LIVE_PHASES, RetrainCause
from dissonance.decisions.beginning import cools_off
from dissonance.errors import ModelNotRenewable
from dissonance.pipeline.event_time import event_time_now_us
from dissonance.pipeline.retrain import retrain
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.registry import ModelRole, ModelVersion
from dissonance.telemetry.logs import log
from dissonance.telemetry.names import LogAction

PRODUCER = "learner"

_logger = logging.getLogger(__name__)


async def train(workshop: Workshop, request: RetrainRequested) -> list[Event]:
    """See `roles.updates.Updates.train`.

    A candidate that was registered since the request, and that nobody judged, is announced again instead: then the
    process ended between registering and announcing.
    """
    task = await workshop.store.by_id(request.task_id)
    why_not = await _why_not(workshop, task, request)
    if why_not:
        log(_logger, LogAction.RETRAIN_PASSED_OVER, task=task.name, why=why_not)
        return []
    version = await _left_over(workshop, task, request)
    if version is None:
        try:
            done = await retrain(workshop, task.name, seed=request.produced_at_us % 2**31)
        except ModelNotRenewable as refused:
            log(_logger, LogAction.RETRAIN_PASSED_OVER, task=task.name, why=str(refused))
            return []
        version = done.models.proposer
    log(_logger, LogAction.CANDIDATE_REGISTERED, task=task.name, version=version.version)
    return [
        CandidateRegistered(
            event_id=derived_id("candidate_registered", [task.task_id, str(version.version)]),
            task_id=task.task_id,
            produced_at_us=workshop.clock.now_us(),
            producer=PRODUCER,
            version=version.version,
            model_digest=version.digest,
            parent_version=version.parent,
            reason=request.reason,
            numbers=dict(version.metrics),
        )
    ]


async def _why_not(workshop: Workshop, task: Task, request: RetrainRequested) -> str:
    """Why this request is passed over; empty when it is not."""
    rollout = await workshop.store.rollout(task.task_id)
    if rollout is not None and rollout.phase in LIVE_PHASES:
        return f"version {rollout.version} is being rolled out ({rollout.phase.value})"
    policy = await workshop.store.policy(task.task_id)
    now_us = await event_time_now_us(workshop, task.task_id)
    if request.cause is not RetrainCause.HAND and cools_off(rollout, now_us, policy.cooling_off_s):
        return "the task cools off after a rollback"
    if not (await workshop.store.label_figures(task.task_id)).learnable:
        return "there is no label to learn from"
    return ""


async def _left_over(workshop: Workshop, task: Task, request: RetrainRequested) -> ModelVersion | None:
    versions = await asyncio.to_thread(workshop.registry.versions, task.task_id, ModelRole.PROPOSER)
    critics = await asyncio.to_thread(workshop.registry.versions, task.task_id, ModelRole.CRITIC)
    judged = {update.version for update in await workshop.store.updates(task.task_id)}
    whole = {critic.parent for critic in critics}
    for version in versions:
        is_new = version.created_at_us >= request.produced_at_us and version.version in whole
        if is_new and version.version not in judged and "step" in version.metrics:
            return version
    return None
