"""What comes next for an update on its way: promote, abandon, settle, roll back, or wait. Pure; times are event time.

Labels decide; the label-free estimate may end a canary or take a promotion back, never promote (design section 5).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, isfinite, log, sqrt
from typing import NamedTuple

from dissonance.contracts.policy import Policy
from dissonance.contracts.standings import Behaviour
from dissonance.contracts.updates import LIVE_PHASES, RolloutPhase
from dissonance.decisions.paired import difference, interval, score, surely_better, surely_worse
from dissonance.ports.rollouts import PairedCounts, Rollout
from dissonance.science.proportions import wilson_interval

SECOND_US = 1_000_000
LEAST_Z = 3.0
"""Standard errors by which the label-free estimate must be sure."""

LEAST_CALLS = 30
"""Calls of either model without which nothing is said of how it behaves."""

SURE = 0.9973
"""Confidence of what is said of failures: three standard errors, as everywhere here."""

LAST_LOOK_Z = 1.96
"""Standard errors by which a canary whose time is over must lie above the margin. A worse model passes this one look by
chance in 2.5 % of canaries, and all looks before it in another 2.5 % (ADR 48)."""

ALLOWED_TO_OLD = 0.05
"""The critic of the version before believes in its answers, also where the world has left them: whatever changes them
looks worse to it. Of honest updates after a shift it said up to -0.044, of wrong labels -0.196 (ADR 28)."""


SIDE_NAMED = 2
"""Form of steps from which on the last look says on which side of the limit a canary lies; earlier ones are replayed to
the byte."""


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


class Behaved(NamedTuple):
    """How the new and the old model behaved in the same processes at the same time."""

    new: Behaviour
    old: Behaviour


class Step(NamedTuple):
    """`phase`: where the rollout goes now, and one sentence with the numbers why; `share` of requests that the new
    model answers from now on, None: as before."""

    phase: RolloutPhase
    reason: str
    share: float | None = None


def next_step(
    rollout: Rollout,
    paired: PairedCounts,
    believed: Believed | None,
    now_us: int,
    policy: Policy,
    behaved: Behaved | None = None,
    form: int = SIDE_NAMED,
) -> Step | None:
    """None while nothing is decided. `form`: of its words."""
    if rollout.phase not in LIVE_PHASES:
        return None
    is_canary = rollout.phase is RolloutPhase.CANARY
    doubt = behaves_worse(behaved, policy) or _believed_worse(believed, policy)
    if doubt:
        return Step(RolloutPhase.ABANDONED if is_canary else RolloutPhase.ROLLED_BACK, doubt)
    if is_canary and rollout.share == 0.0:
        return _after_shadow(rollout, believed, now_us, policy)
    if is_canary:
        return _after_canary(rollout, paired, now_us, policy, form)
    return _after_promotion(rollout, paired, now_us, policy)


def _after_shadow(rollout: Rollout, believed: Believed | None, now_us: int, policy: Policy) -> Step | None:
    seen = 0 if believed is None else believed.rows
    if seen >= max(1, policy.shadow_rows):
        return Step(
            RolloutPhase.CANARY,
            f"in the shadow on {seen} inputs, accuracy is estimated {believed.difference if believed else 0.0:+.4f} "
            "against the version in production",
            policy.canary_share,
        )
    if now_us >= rollout.phase_at_us + policy.canary_max_s * SECOND_US:
        return Step(
            RolloutPhase.ABANDONED,
            f"undecided: {seen} inputs in the shadow in {policy.canary_max_s} s, {policy.shadow_rows} are needed",
        )
    return None


def _after_canary(rollout: Rollout, paired: PairedCounts, now_us: int, policy: Policy, form: int) -> Step | None:
    is_over = now_us >= rollout.phase_at_us + policy.canary_max_s * SECOND_US
    if paired.rows < policy.canary_labels_min:
        if is_over:
            return Step(
                RolloutPhase.ABANDONED,
                f"undecided: {paired.rows} labels in {policy.canary_max_s} s, {policy.canary_labels_min} are needed",
            )
        return None
    margin = policy.golden_drop_max
    if surely_better(paired, -margin):
        return Step(RolloutPhase.ARMED, f"{_seen(paired)}: not worse by more than {margin:g}")
    if surely_worse(paired):
        return Step(RolloutPhase.ABANDONED, f"{_seen(paired)}: worse")
    if not is_over:
        return None
    sure = score(paired, margin)
    return Step(
        RolloutPhase.ARMED if sure >= LAST_LOOK_Z else RolloutPhase.ABANDONED,
        f"{_seen(paired)}: {_last_look(sure, margin, form)}",
    )


def _last_look(sure: float, margin: float, form: int) -> str:
    """
    >>> _last_look(-0.9, 0.015, SIDE_NAMED)
    'its time is over, and it lies 0.90 standard errors below "0.015 worse"; to go live it must lie 1.96 above that'
    """
    if form < SIDE_NAMED:
        return (
            f"when its time was over, {sure:+.2f} standard errors from being worse by {margin:g}, of which "
            f"{LAST_LOOK_Z:g} are needed"
        )
    side = "above" if sure >= 0.0 else "below"
    return (
        f'its time is over, and it lies {abs(sure):.2f} standard errors {side} "{margin:g} worse"; to go live it must '
        f"lie {LAST_LOOK_Z:g} above that"
    )


def _after_promotion(rollout: Rollout, paired: PairedCounts, now_us: int, policy: Policy) -> Step | None:
    if paired.rows >= 2 and surely_worse(paired) and difference(paired) < -policy.golden_drop_max:
        return Step(RolloutPhase.ROLLED_BACK, f"{_seen(paired)}: worse than the version before")
    if now_us >= rollout.phase_at_us + policy.rollback_window_s * SECOND_US:
        watched = _seen(paired) if paired.rows else "no label came"
        return Step(RolloutPhase.SETTLED, f"{watched}; watched for {policy.rollback_window_s} s")
    return None


def behaves_worse(behaved: Behaved | None, policy: Policy) -> str:
    """Why the new model behaves worse than the version before; empty when it does not, or too little was seen.

    Times are held against each other by the mean of their logarithm, which one call that waited does not move far.
    """
    if behaved is None or min(behaved.new.calls, behaved.old.calls) < LEAST_CALLS:
        return ""
    new, old = behaved
    failed = wilson_interval(new.failed, new.calls, SURE)
    failed_before = old.failed / old.calls
    if failed.low > failed_before + policy.error_rise_max:
        return (
            f"{failed.estimate:.1%} of its {new.calls} calls failed, {failed_before:.1%} of {old.calls} of the version "
            f"before; the policy allows {policy.error_rise_max:g} more"
        )
    timed, timed_before = new.calls - new.failed, old.calls - old.failed
    if min(timed, timed_before) < LEAST_CALLS:
        return ""
    longer, error = longer_by(new, old)
    if longer - LEAST_Z * error > log(1.0 + policy.latency_rise_max):
        return (
            f"its calls take {exp(longer):.1f} times as long as those of the version before ({timed} and "
            f"{timed_before} calls); the policy allows {1.0 + policy.latency_rise_max:g} times"
        )
    return ""


def longer_by(new: Behaviour, old: Behaviour) -> tuple[float, float]:
    """Mean of ln(time of a call), new less old, and its standard error; each has calls that did not fail."""
    means, variances = [], []
    for each in (new, old):
        timed = each.calls - each.failed
        mean = each.log_us / timed
        means.append(mean)
        variances.append(max(0.0, each.log_us_squared / timed - mean * mean) / timed)
    return means[0] - means[1], sqrt(sum(variances))


def evidence_of(paired: PairedCounts, believed: Believed | None, behaved: Behaved | None) -> dict[str, float]:
    """The numbers that a step rests on, for whoever reads of an incident."""
    found: dict[str, float] = {
        "labelled": paired.rows,
        "only_new_right": paired.only_model,
        "only_old_right": paired.only_shadow,
    }
    if believed is not None:
        found |= {f"estimated_{name}": value for name, value in believed._asdict().items()}
    if behaved is not None:
        for name, each in behaved._asdict().items():
            timed = each.calls - each.failed
            found |= {f"{name}_calls": each.calls, f"{name}_failed": each.failed}
            found |= {f"{name}_typical_us": exp(each.log_us / timed)} if timed else {}
    return {name: value for name, value in found.items() if isfinite(value)}


def _believed_worse(believed: Believed | None, policy: Policy) -> str:
    """Why the label-free estimate says that the new model is worse; empty when it does not."""
    if believed is None or not believed.rows:
        return ""
    margin = policy.harm_margin + believed.allowed
    excess = -believed.difference - margin
    if not excess > LEAST_Z * believed.error:  # also where a model gave no number
        return ""
    return (
        f"before labels came, accuracy is estimated {-believed.difference:.4f} below the version before on the same "
        f"{believed.rows} inputs (standard error {believed.error:.4f}, margin {margin:g})"
    )


def _seen(paired: PairedCounts) -> str:
    seen = interval(paired)
    weighed = ", weighed by how likely each was asked about" if paired.weighed else ""
    return (
        f"{seen.estimate:+.4f} accuracy against the version before on {paired.rows} labelled inputs{weighed} "
        f"(95 % at any time: {seen.low:+.4f} to {seen.high:+.4f})"
    )
