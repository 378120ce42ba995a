"""Bodies of the HTTP API about updates: how they were judged, and their rollouts. Times are RFC 3339."""

from __future__ import annotations

import msgspec

from dissonance.contracts.verdicts import RuleFinding


class UpdateReply(msgspec.Struct, frozen=True, kw_only=True):
    version: int
    model_digest: str
    verdict: str
    findings: list[RuleFinding]
    policy_version: int
    by: str
    reason: str
    judged_at: str


class RolloutReply(msgspec.Struct, frozen=True, kw_only=True):
    """`started_at` and `phase_at` are event time. `decided_at`: when its phase was decided, by the clock; empty of one
    from before decisions were kept."""

    rollout_id: str
    version: int
    previous_version: int
    phase: str
    share: float
    started_at: str
    phase_at: str
    by: str
    reason: str
    overridden: bool
    decided_at: str = ""


class UpdatesReply(msgspec.Struct, frozen=True):
    """Newest first."""

    task: str
    updates: list[UpdateReply]
    rollouts: list[RolloutReply]
