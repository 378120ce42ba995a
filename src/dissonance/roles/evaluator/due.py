"""Is an update due, and why? Pure; all times are event time in microseconds since 1970 UTC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dissonance.contracts.policy import Policy
from dissonance.contracts.updates import LIVE_PHASES, RetrainCause, RolloutPhase
from dissonance.ports.rollouts import Rollout
from dissonance.ports.store import Window

SECOND_US = 1_000_000
LEAST_Z = 2.0
"""Standard errors by which an estimated drop must exceed the margin."""

LEAST_ROWS = 30
"""A window of fewer rows says nothing about harm."""


class Known(NamedTuple):
    """`reference`: accuracy that the model in production was let through with, in [0, 1], as its critic estimated it
    on the golden holdout; None when nobody knows. `fresh_labels`: that no candidate has learnt from. `began_us`: when
    the last rollout began, or the first input came."""

    reference: float | None
    fresh_labels: int
    rollout: Rollout | None
    began_us: int
    now_us: int


class Due(NamedTuple):
    cause: RetrainCause
    reason: str


def harmed(window: Window, reference: float | None, policy: Policy) -> bool:
    """Whether the estimated drop exceeds `harm_margin` by more than chance explains (one-sided z-test)."""
    if reference is None or not window.closed or window.rows < LEAST_ROWS:
        return False
    excess = reference - window.estimated_accuracy - policy.harm_margin
    return excess > LEAST_Z * window.estimated_error


def harmed_run(windows: Sequence[Window], reference: float | None, policy: Policy) -> list[Window]:
    """The latest closed windows that are harmed without a break; `windows` in order of event time."""
    run: list[Window] = []
    for window in reversed([each for each in windows if each.closed]):
        if not harmed(window, reference, policy):
            break
        run.append(window)
    return run[::-1]


def update_due(windows: Sequence[Window], known: Known, policy: Policy) -> Due | None:
    """None while none is due, one is under way, or the task cools off after a rollback."""
    rollout = known.rollout
    if rollout is not None:
        if rollout.phase in LIVE_PHASES:
            return None
        cooled_us = rollout.phase_at_us + policy.cooling_off_s * SECOND_US
        if rollout.phase is RolloutPhase.ROLLED_BACK and known.now_us < cooled_us:
            return None
    return _by_harm(windows, known, policy) or _by_labels(known, policy) or _by_schedule(known, policy)


def _by_harm(windows: Sequence[Window], known: Known, policy: Policy) -> Due | None:
    run = harmed_run(windows, known.reference, policy)
    labels = sum(window.labelled for window in run)
    if known.reference is None or min(labels, known.fresh_labels) < policy.retrain_labels_min:
        return None
    rows = sum(window.rows for window in run)
    estimate = sum(window.estimated_accuracy * window.rows for window in run) / rows
    return Due(
        RetrainCause.HARM,
        f"accuracy is estimated at {estimate:.3f} over {len(run)} windows, {known.reference - estimate:.3f} below the "
        f"{known.reference:.3f} it was let through with (margin {policy.harm_margin:g}); {labels} of their labels came",
    )


def _by_labels(known: Known, policy: Policy) -> Due | None:
    if known.fresh_labels < policy.retrain_labels_enough:
        return None
    return Due(
        RetrainCause.LABELS,
        f"no model has learnt from {known.fresh_labels} labels; {policy.retrain_labels_enough} are enough",
    )


def _by_schedule(known: Known, policy: Policy) -> Due | None:
    passed_s = (known.now_us - known.began_us) // SECOND_US
    if not policy.retrain_every_s or passed_s < policy.retrain_every_s:
        return None
    if known.fresh_labels < policy.retrain_labels_min:
        return None
    return Due(
        RetrainCause.SCHEDULE,
        f"{passed_s} s of event time since the last update (schedule: {policy.retrain_every_s}); "
        f"{known.fresh_labels} fresh labels",
    )
