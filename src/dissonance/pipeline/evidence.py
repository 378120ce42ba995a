"""What a decision rests on, gathered, put into its bundle and signed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, NamedTuple

from dissonance.contracts.events import UpdateJudged
from dissonance.contracts.evidence import MOVES, DecisionKind, canonical
from dissonance.contracts.policy import Policy, policy_digest
from dissonance.contracts.schema import Task, schema_digest
from dissonance.contracts.updates import RolloutPhase
from dissonance.contracts.verdicts import UpdateVerdict
from dissonance.decisions.evidence.again import KINDS, kind_of
from dissonance.decisions.evidence.bundle import PUT_BACK, Bundle, Judgement, ModelEvidence
from dissonance.decisions.updates.numbers import UpdateNumbers
from dissonance.pipeline.anchoring import last_anchor_digest
from dissonance.pipeline.event_time import event_time_now_us
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.decisions import Decision, Wanted
from dissonance.ports.registry import ModelVersion
from dissonance.ports.rollouts import Rollout, step_cause
from dissonance.security.artefacts import Artefact
from dissonance.security.evidence import sign_bundle

ML_BOM = ".cdx.json"
"""How the name of a bill of materials ends (CycloneDX 1.6, "Recognized file patterns")."""


class Said(NamedTuple):
    """What was decided, by whom and why. `cause`: see `Decision`; `parent`: the cause of the decision that it follows
    from; of a candidate's judgement, and where none is known, what put a version into production last."""

    kind: DecisionKind
    cause: str
    by: str
    reason: str
    parent: str = ""


async def decided(
    workshop: Workshop,
    task: Task,
    said: Said,
    *,
    candidate: ModelEvidence,
    incumbent: ModelEvidence | None,
    production: int,
    policy: Policy,
    event_time_us: int,
    digests: Mapping[str, str] | None = None,
    **more: Any,
) -> Decision:
    """The signed decision, to be recorded with what it decides. `more`: other fields of `Bundle`, as what was computed.
    Raises `ConfigurationError` without the signing key."""
    now_us = workshop.clock.now_us()
    bundle = Bundle(
        kind=said.kind,
        cause=said.cause,
        task_id=task.task_id,
        task=task.name,
        decided_at_us=now_us,
        event_time_us=event_time_us,
        by=said.by,
        reason=said.reason,
        candidate=candidate,
        incumbent=incumbent,
        production=production,
        policy=policy,
        policy_digest=policy_digest(policy),
        release=version("dissonance"),
        digests={"schema": schema_digest(task.schema), **(digests or {})},
        parent=await _parent(workshop, task, said.parent),
        anchor=await last_anchor_digest(workshop, task),
        **more,
    )
    signed = sign_bundle(canonical(bundle), workshop.artefact_keys)
    return Decision(
        task_id=task.task_id,
        decision_id=signed.decision_id,
        cause=said.cause,
        kind=said.kind,
        version=candidate.version,
        decided_at_us=now_us,
        evidence=signed.encoded(),
    )


class Held(NamedTuple):
    """Two models held against each other."""

    candidate: ModelEvidence
    incumbent: ModelEvidence


async def judgement(
    workshop: Workshop,
    task: Task,
    judged: UpdateJudged,
    models: Held,
    numbers: UpdateNumbers,
    policy: Policy,
    digests: Mapping[str, str],
) -> Decision:
    """The gate's verdict on a candidate; what it said before an override is kept beside that."""
    overridden = judged.verdict is UpdateVerdict.OVERRIDDEN
    said = UpdateVerdict.REFUSED if overridden else judged.verdict
    return await decided(
        workshop,
        task,
        Said(kind_of(said, overridden=overridden), judged.event_id, judged.by, judged.reason),
        candidate=models.candidate,
        incumbent=models.incumbent,
        production=models.incumbent.version,
        policy=policy,
        event_time_us=await event_time_now_us(workshop, task.task_id),
        digests=digests,
        judgement=Judgement(numbers=numbers, verdict=said, findings=judged.findings),
    )


async def rollout_decision(
    workshop: Workshop,
    task: Task,
    rollout: Rollout,
    policy: Policy,
    *,
    parent: str,
    **computed: Any,
) -> Decision:
    """That a rollout went into its phase. `computed`: `beginning` or `step`, unless a person decided."""
    return await decided(
        workshop,
        task,
        Said(KINDS[rollout.phase], step_cause(rollout), rollout.by, rollout.reason, parent),
        candidate=ModelEvidence(version=rollout.version, digest=rollout.model_digest),
        incumbent=ModelEvidence(version=rollout.previous_version, digest=rollout.previous_digest),
        production=rollout.leaves_in_production,
        policy=policy,
        event_time_us=rollout.phase_at_us,
        digests={} if rollout.back_to is None else {PUT_BACK: rollout.back_digest},
        share=rollout.share if rollout.phase is RolloutPhase.CANARY else 0.0,
        **computed,
    )


def evidence_of(found: ModelVersion, artefact: Artefact | None = None, critic_digest: str = "") -> ModelEvidence:
    """What is known of a model; of one that was opened, its files too."""
    if artefact is None:
        return ModelEvidence(version=found.version, digest=found.digest, critic_digest=critic_digest)
    files = artefact.manifest.files
    return ModelEvidence(
        version=found.version,
        digest=found.digest,
        critic_digest=critic_digest,
        training_data_digest=artefact.manifest.training_data_digest,
        files=dict(files),
        ml_bom=next((files[name] for name in sorted(files) if name.endswith(ML_BOM)), ""),
    )


async def _parent(workshop: Workshop, task: Task, cause: str) -> str:
    known = await workshop.store.decision_of(task.task_id, cause) if cause else None
    if known is None:
        moves = await workshop.store.decisions(task.task_id, Wanted(MOVES), 1)
        known = moves[0] if moves else None
    return "" if known is None else known.decision.decision_id
