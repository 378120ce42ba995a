"""What comes next for an update on its way: promote, abandon, settle, roll back, or wait. Pure; times are event time.

Labels decide; the label-free estimate may end a canary or take a promotion back, never promote (design section 5).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dissonance.contracts.policy import Policy
from dissonance.contracts.updates import RolloutPhase
from dissonance.ports.rollouts import PairedCounts, Rollout
from dissonance.science.betting import paired_sequence, surely_above
from dissonance.science.one_look import score_above

SECOND_US = 1_000_000
LEAST_Z = 3.0
"""Standard errors by which the label-free estimate must be sure."""

LAST_LOOK_Z = 1.96
"""Standard errors by which a canary whose time is over must lie above the margin. A worse model passes this one look by
chance in 2.5 % of canaries, and all looks before it in another 2.5 % (ADR 48)."""

ALLOWED_TO_OLD = 0.05
"""The critic of the version before believes in its answers, also where the world has left them: whatever changes them
looks worse to it. Of honest updates after a shift it said up to -0.044, of wrong labels -0.196 (ADR 28)."""


class Believed(NamedTuple):
    """Mean of (a critic's belief in the new model's answer - in the old one's) on the same `rows` inputs, and its
    standard error; no label is looked at. `allowed`: how far below zero this critic may be of an honest update."""

    rows: int
    difference: float
    error: float
    allowed: float = 0.0


def gravest(believed: Sequence[Believed]) -> Believed:
    """Of what several critics believe, that which is most surely against the new model (ADR 28).

    The new model's critic knows today's inputs, and is fooled where wrong labels taught both; the old one's the other
    way round.

    >>> gravest([Believed(50, 0.02, 0.01), Believed(50, -0.2, 0.01)]).difference
    -0.2
    """
    return min(believed, key=lambda each: each.difference + each.allowed + LEAST_Z * each.error)


class Step(NamedTuple):
    """`phase`: where the rollout goes now, and one sentence with the numbers why."""

    phase: RolloutPhase
    reason: str


def next_step(
    rollout: Rollout, paired: PairedCounts, believed: Believed | None, now_us: int, policy: Policy
) -> Step | None:
    """None while nothing is decided."""
    if rollout.phase is RolloutPhase.CANARY:
        return _after_canary(rollout, paired, believed, now_us, policy)
    if rollout.phase is RolloutPhase.ARMED:
        return _after_promotion(rollout, paired, believed, now_us, policy)
    return None


def _after_canary(
    rollout: Rollout, paired: PairedCounts, believed: Believed | None, now_us: int, policy: Policy
) -> Step | None:
    doubt = _believed_worse(believed, policy)
    if doubt:
        return Step(RolloutPhase.ABANDONED, doubt)
    is_over = now_us >= rollout.phase_at_us + policy.canary_max_s * SECOND_US
    if paired.rows < policy.canary_labels_min:
        if is_over:
            return Step(
                RolloutPhase.ABANDONED,
                f"undecided: {paired.rows} labels in {policy.canary_max_s} s, {policy.canary_labels_min} are needed",
            )
        return None
    gained, lost, rows, margin = paired.only_model, paired.only_shadow, paired.rows, policy.golden_drop_max
    if surely_above(gained, lost, rows, -margin):
        return Step(RolloutPhase.ARMED, f"{_seen(paired)}: not worse by more than {margin:g}")
    if surely_above(lost, gained, rows, 0.0):
        return Step(RolloutPhase.ABANDONED, f"{_seen(paired)}: worse")
    if not is_over:
        return None
    sure = score_above(gained, lost, rows, margin)
    return Step(
        RolloutPhase.ARMED if sure >= LAST_LOOK_Z else RolloutPhase.ABANDONED,
        f"{_seen(paired)}: when its time was over, {sure:+.2f} standard errors from being worse by {margin:g}, of "
        f"which {LAST_LOOK_Z:g} are needed",
    )


def _after_promotion(
    rollout: Rollout, paired: PairedCounts, believed: Believed | None, now_us: int, policy: Policy
) -> Step | None:
    doubt = _believed_worse(believed, policy)
    if doubt:
        return Step(RolloutPhase.ROLLED_BACK, doubt)
    if paired.rows >= 2:
        gained, lost, rows = paired.only_model, paired.only_shadow, paired.rows
        if surely_above(lost, gained, rows, 0.0) and (gained - lost) / rows < -policy.golden_drop_max:
            return Step(RolloutPhase.ROLLED_BACK, f"{_seen(paired)}: worse than the version before")
    if now_us >= rollout.phase_at_us + policy.rollback_window_s * SECOND_US:
        watched = _seen(paired) if paired.rows else "no label came"
        return Step(RolloutPhase.SETTLED, f"{watched}; watched for {policy.rollback_window_s} s")
    return None


def _believed_worse(believed: Believed | None, policy: Policy) -> str:
    """Why the label-free estimate says that the new model is worse; empty when it does not."""
    if believed is None or not believed.rows:
        return ""
    margin = policy.harm_margin + believed.allowed
    excess = -believed.difference - margin
    if excess <= LEAST_Z * believed.error:
        return ""
    return (
        f"before labels came, accuracy is estimated {-believed.difference:.4f} below the version before on the same "
        f"{believed.rows} inputs (standard error {believed.error:.4f}, margin {margin:g})"
    )


def _seen(paired: PairedCounts) -> str:
    interval = paired_sequence(paired.only_model, paired.only_shadow, paired.rows)
    return (
        f"{interval.estimate:+.4f} accuracy against the version before on {paired.rows} labelled inputs "
        f"(95 % at any time: {interval.low:+.4f} to {interval.high:+.4f})"
    )
