"""The gate on an update: gather the numbers, judge, and keep the verdict with all it rests on in the hash chain."""

from __future__ import annotations

import asyncio
import logging
from typing import NamedTuple

from dissonance.contracts.columns import derived_id
from dissonance.contracts.events import CandidateRegistered, Event, UpdateJudged
from dissonance.contracts.evidence import DecisionKind
from dissonance.contracts.policy import Policy
from dissonance.contracts.schema import Task
from dissonance.contracts.verdicts import UpdateVerdict
from dissonance.decisions.beginning import how_it_ended
from dissonance.decisions.evidence.bundle import ModelEvidence
from dissonance.decisions.evidence.chain import GOLDEN_ROWS
from dissonance.decisions.pairs import LoadedPair
from dissonance.decisions.updates.numbers import Identity, UpdateNumbers
from dissonance.decisions.updates.verdict import judge_update
from dissonance.errors import ModelFailed, ModelMisfit, ModelRefused
from dissonance.errors_of_updates import TakenBackBefore, UpdateHeldUp
from dissonance.pipeline.aliases import (
    drop_candidate,
    open_pair,
    open_version,
    production_version,
    wait_as_candidate,
)
from dissonance.pipeline.anchoring import anchor
from dissonance.pipeline.comparing import Given, compare
from dissonance.pipeline.evidence import Held, evidence_of, judgement
from dissonance.pipeline.golden_digest import golden_digest
from dissonance.pipeline.looked_at import LookedAt, look
from dissonance.pipeline.refusals import was_taken_back
from dissonance.pipeline.rollouts import begin
from dissonance.pipeline.verifying import MOST_DECISIONS
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.decisions import Wanted
from dissonance.ports.registry import ModelVersion
from dissonance.security.artefacts import CLASS_ORDER, FEATURE_SCHEMA
from dissonance.telemetry.logs import log
from dissonance.telemetry.names import LogAction

GATE = "gate"

_logger = logging.getLogger(__name__)


class Override(NamedTuple):
    """Who lets a refused update through, and why."""

    by: str
    reason: str


async def judge(workshop: Workshop, candidate: CandidateRegistered) -> list[Event]:
    """See `roles.updates.Updates.judge`."""
    task = await workshop.store.by_id(candidate.task_id)
    incumbent = await open_pair(workshop, task, await production_version(workshop, task))
    if incumbent.version.version == candidate.version:
        return []
    event_id = derived_id("update_judged", [candidate.event_id])
    try:
        new = await open_version(workshop, task, candidate.version)
    except ModelRefused as refused:
        return [await _judge_unopened(workshop, task, incumbent, candidate, event_id, refused)]
    judged = await judge_pair(workshop, task, incumbent, new, event_id, by=GATE)
    if judged.verdict is not UpdateVerdict.ACCEPTED:
        return [judged]
    return [judged, *(await send_on(workshop, task, new.version, incumbent.version, judged)).events]


class SentOn(NamedTuple):
    """`events` of the beginning of a rollout; none, and why, where it was passed over."""

    events: list[Event]
    passed_over: str = ""


async def send_on(
    workshop: Workshop, task: Task, candidate: ModelVersion, incumbent: ModelVersion, judged: UpdateJudged
) -> SentOn:
    """Begin the rollout of what was accepted; not of what was taken back, and not while another is live or the task
    cools off. It stays an accepted candidate then, for a person to promote or for the next update to learn more."""
    reason = f"accepted by the gate: {len(judged.findings)} rules hold"
    try:
        await require_not_taken_back(workshop, task, candidate.version)
        return SentOn(await begin(workshop, task, candidate, incumbent, cause=judged.event_id, by=GATE, reason=reason))
    except UpdateHeldUp as refused:
        if not isinstance(refused, TakenBackBefore):  # it may have been refused before, and waited no more
            await wait_as_candidate(workshop, task, candidate.version)
        log(_logger, LogAction.ROLLOUT_PASSED_OVER, task=task.name, version=candidate.version, why=str(refused))
        return SentOn([], str(refused))


async def require_not_taken_back(workshop: Workshop, task: Task, version: int) -> None:
    """Raises `TakenBackBefore` for a version whose rollout ended without it: people or live answers decided that, and
    what the gate says of it beside traffic, on whatever golden rows or policy, it had said before. A person may send
    it."""
    ended = how_it_ended(await workshop.store.rollouts(task.task_id, MOST_DECISIONS), version)
    if ended is not None:
        raise was_taken_back(task.name, ended)


async def judge_pair(
    workshop: Workshop,
    task: Task,
    incumbent: LoadedPair,
    candidate: LoadedPair,
    event_id: str,
    *,
    by: str,
    override: Override | None = None,
) -> UpdateJudged:
    """The judgement, recorded; the one recorded before for the same `event_id`. A refusal that is overridden is
    recorded as such, with every rule's numbers."""
    earlier = await _earlier(workshop, task, event_id)
    if earlier is not None:
        return earlier
    policy = await workshop.store.policy(task.task_id)
    looked = await look(workshop, task)
    try:
        numbers = await gather(workshop, task, incumbent, candidate, looked, policy)
    except ModelFailed as failed:
        identity = Identity(refusal=f"{failed.slug}: {failed.what}")
        numbers = UpdateNumbers.of_refused(identity, await _holdout_uses(workshop, task))
    models = Held(_evidence_of(candidate), _evidence_of(incumbent))
    subject = _Judged(event_id, models, looked.digests)
    return await _record(workshop, task, subject, numbers, policy, by=by, override=override)


async def _judge_unopened(
    workshop: Workshop,
    task: Task,
    incumbent: LoadedPair,
    candidate: CandidateRegistered,
    event_id: str,
    refused: ModelRefused,
) -> UpdateJudged:
    """A candidate that does not verify is refused by the rule that says so, and recorded; nothing of it is run."""
    earlier = await _earlier(workshop, task, event_id)
    if earlier is not None:
        return earlier
    identity = Identity(
        signed=isinstance(refused, ModelMisfit),
        schema=refused.where != FEATURE_SCHEMA,
        classes=refused.where != CLASS_ORDER,
        refusal=f"{refused.slug}: {refused.what}",
    )
    numbers = UpdateNumbers.of_refused(identity, await _holdout_uses(workshop, task))
    models = Held(ModelEvidence(version=candidate.version, digest=candidate.model_digest), _evidence_of(incumbent))
    subject = _Judged(event_id, models, {GOLDEN_ROWS: await golden_digest(workshop, task)})
    return await _record(workshop, task, subject, numbers, await workshop.store.policy(task.task_id), by=GATE)


async def _earlier(workshop: Workshop, task: Task, event_id: str) -> UpdateJudged | None:
    updates = await workshop.store.updates(task.task_id)
    return next((update for update in updates if update.event_id == event_id), None)


class _Judged(NamedTuple):
    """What is judged; `event_id` of the judgement, `digests` of what was looked at."""

    event_id: str
    models: Held
    digests: dict[str, str]


async def _record(
    workshop: Workshop,
    task: Task,
    subject: _Judged,
    numbers: UpdateNumbers,
    policy: Policy,
    *,
    by: str,
    override: Override | None = None,
) -> UpdateJudged:
    verdict, findings = judge_update(numbers, policy)
    if verdict is UpdateVerdict.REFUSED and override is not None:
        verdict = UpdateVerdict.OVERRIDDEN
    judged = UpdateJudged(
        event_id=subject.event_id,
        task_id=task.task_id,
        produced_at_us=workshop.clock.now_us(),
        producer=GATE,
        version=subject.models.candidate.version,
        model_digest=subject.models.candidate.digest,
        verdict=verdict,
        findings=findings,
        policy_version=policy.version,
        by=override.by if override is not None else by,
        reason=override.reason if override is not None else "",
    )
    decision = await judgement(workshop, task, judged, subject.models, numbers, policy, subject.digests)
    await workshop.store.record_update(judged, decision)
    await anchor(workshop, task)
    if verdict is UpdateVerdict.REFUSED:
        await drop_candidate(workshop, task, judged.version)
    log(_logger, LogAction.UPDATE_JUDGED, task=task.name, version=judged.version, verdict=verdict.value)
    return judged


async def gather(
    workshop: Workshop, task: Task, incumbent: LoadedPair, candidate: LoadedPair, looked: LookedAt, policy: Policy
) -> UpdateNumbers:
    """Both models on the golden holdout, and on the inputs of the last mature window; see `compare`."""
    given = Given(looked.golden, looked.window.features, await _holdout_uses(workshop, task), looked.window.of)
    return await asyncio.to_thread(compare, task, incumbent, candidate, given, policy, workshop.clock)


async def _holdout_uses(workshop: Workshop, task: Task) -> int:
    """How many candidates were judged on the golden rows that there are now."""
    refreshed = await workshop.store.decisions(task.task_id, Wanted((DecisionKind.HOLDOUT_REFRESHED,)), 1)
    since_us = refreshed[0].decision.decided_at_us if refreshed else 0
    updates = await workshop.store.updates(task.task_id, 10_000)
    return len({update.model_digest for update in updates if update.produced_at_us >= since_us})


def _evidence_of(pair: LoadedPair) -> ModelEvidence:
    return evidence_of(pair.version, pair.artefact, pair.critic_version.digest)
