"""Judgements and rollouts as the HTTP API and the command line tell them."""

from __future__ import annotations

from collections.abc import Sequence

from dissonance.contracts.events import UpdateJudged
from dissonance.contracts.times import to_text
from dissonance.contracts.update_api import RolloutReply, UpdateReply, UpdatesReply
from dissonance.ports.rollouts import Rollout


def updates_reply(task: str, updates: Sequence[UpdateJudged], rollouts: Sequence[Rollout]) -> UpdatesReply:
    return UpdatesReply(task, [_update(update) for update in updates], [_rollout(rollout) for rollout in rollouts])


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


def _rollout(rollout: Rollout) -> RolloutReply:
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
    )
