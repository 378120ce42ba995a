"""`roles.updates.Updates` that remembers what it was asked and answers what it is told to."""

from __future__ import annotations

import hashlib

import msgspec

from dissonance.contracts.events import CandidateRegistered, Event, RetrainRequested, UpdateJudged
from dissonance.contracts.evidence import DecisionKind
from dissonance.contracts.updates import RolloutPhase
from dissonance.contracts.verdicts import RuleFinding, UpdateVerdict
from dissonance.ports.decisions import Decision
from dissonance.ports.rollouts import Rollout


class RecordedUpdates:
    def __init__(self) -> None:
        self.trained: list[RetrainRequested] = []
        self.judged: list[CandidateRegistered] = []
        self.advanced: list[str] = []
        self.answer: list[Event] = []

    async def train(self, request: RetrainRequested) -> list[Event]:
        self.trained.append(request)
        return self.answer

    async def judge(self, candidate: CandidateRegistered) -> list[Event]:
        self.judged.append(candidate)
        return self.answer

    async def advance(self, task_id: str) -> list[Event]:
        self.advanced.append(task_id)
        return self.answer


def rollout_of(task_id: str, version: int, phase: RolloutPhase = RolloutPhase.CANARY, **changes: object) -> Rollout:
    """The rollout of one version after version 1, begun at event time 0."""
    rollout = Rollout(
        rollout_id=f"{version:032x}",
        task_id=task_id,
        version=version,
        model_digest=f"{version:064x}",
        previous_version=1,
        previous_digest=f"{1:064x}",
        phase=phase,
        share=0.5,
        started_at_us=0,
        phase_at_us=0,
        by="gate",
        reason="accepted",
    )
    return msgspec.structs.replace(rollout, **changes)


def judged_update(task_id: str, version: int = 2, event_id: str = "judged-1") -> UpdateJudged:
    return UpdateJudged(
        event_id=event_id,
        task_id=task_id,
        produced_at_us=0,
        producer="gate",
        version=version,
        model_digest=f"{version:064x}",
        verdict=UpdateVerdict.ACCEPTED,
        findings=(RuleFinding("KLBound", True, {"kl": 0.25}, "mean KL is 0.25 nats"),),
        policy_version=1,
        by="gate",
    )


def decision_of(task_id: str, cause: str, kind: DecisionKind = DecisionKind.CANARY, **changes: object) -> Decision:
    """A decision whose evidence says nothing but its cause."""
    decision = Decision(
        task_id=task_id,
        decision_id=hashlib.sha256(cause.encode()).hexdigest(),
        cause=cause,
        kind=kind,
        version=2,
        decided_at_us=0,
        evidence=cause.encode(),
    )
    return msgspec.structs.replace(decision, **changes)


def step_of(rollout: Rollout) -> Decision:
    """Why a rollout is in its phase, for tests that do not ask."""
    return decision_of(rollout.task_id, f"{rollout.rollout_id}-{rollout.revision}", version=rollout.version)
