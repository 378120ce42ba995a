"""Judgements and rollouts as the HTTP API and the command line tell them."""

from __future__ import annotations

from typing import Protocol

from dissonance.contracts.events import UpdateJudged
from dissonance.contracts.evidence import ROLLOUT_STEPS
from dissonance.contracts.times import to_text
from dissonance.contracts.update_api import RolloutReply, UpdateReply, UpdatesReply
from dissonance.ports.decisions import DecisionStore, Wanted
from dissonance.ports.rollouts import Rollout, RolloutStore, step_cause

STEPS = 1_000
"""Newest decisions among which those on the newest rollouts are looked for."""


class Kept(RolloutStore, DecisionStore, Protocol):
    """What of the store this reads."""


async def updates_of(store: Kept, task_id: str, task: str) -> UpdatesReply:
    """Newest first. Raises `EngineUnavailable`."""
    updates, rollouts = await store.updates(task_id), await store.rollouts(task_id)
    steps = await store.decisions(task_id, Wanted(ROLLOUT_STEPS), STEPS)
    decided = {each.decision.cause: to_text(each.decision.decided_at_us) for each in steps}
    return UpdatesReply(
        task,
        [_update(update) for update in updates],
        [_rollout(rollout, decided.get(step_cause(rollout), "")) for rollout in rollouts],
    )


def _update(update: UpdateJudged) -> UpdateReply:
    return UpdateReply(
        version=update.version,
        model_digest=update.model_digest,
        verdict=update.verdict.value,
        findings=list(update.findings),
        policy_version=update.policy_version,
        by=update.by,
        reason=update.reason,
        judged_at=to_text(update.produced_at_us),
    )


def _rollout(rollout: Rollout, decided_at: str) -> RolloutReply:
    return RolloutReply(
        rollout_id=rollout.rollout_id,
        version=rollout.version,
        previous_version=rollout.previous_version,
        phase=rollout.phase.value,
        share=rollout.share,
        started_at=to_text(rollout.started_at_us),
        phase_at=to_text(rollout.phase_at_us),
        by=rollout.by,
        reason=rollout.reason,
        overridden=rollout.overridden,
        decided_at=decided_at,
    )
