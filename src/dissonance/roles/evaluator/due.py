"""Is an update due, and why? Pure; all times are event time in microseconds since 1970 UTC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dissonance.contracts.counts import counted
from dissonance.contracts.estimates import WindowEstimate
from dissonance.contracts.policy import Policy, WindowBy
from dissonance.contracts.updates import LIVE_PHASES, RetrainCause, RolloutPhase
from dissonance.ports.rollouts import Rollout
from dissonance.ports.store import Window
from dissonance.science.alarm import accumulated, alarm_threshold
from dissonance.science.harm import LEVEL

SECOND_US = 1_000_000
MONTH_S = 30 * 86_400

LEAST_ROWS = 30
"""A window of fewer rows says nothing about harm."""


class Known(NamedTuple):
    """`model_digest`: of the model in production; None when there is none. `fresh_labels`: that no candidate has learnt
    from. `began_us`: when the last rollout began, or the first input came."""

    model_digest: str | None
    fresh_labels: int
    rollout: Rollout | None
    began_us: int
    now_us: int


class Due(NamedTuple):
    cause: RetrainCause
    reason: str


class Judged(NamedTuple):
    """A window that was estimated, with the evidence of harm after it, and the threshold that this is held against."""

    window: Window
    estimate: WindowEstimate
    p_value: float
    evidence: float
    threshold: float

    @property
    def harmed(self) -> bool:
        """By the test at its level: whether the accuracy fell by more than `harm_margin`."""
        return self.p_value <= LEVEL

    @property
    def alarms(self) -> bool:
        return self.evidence >= self.threshold


def judged(windows: Sequence[Window], model_digest: str | None, policy: Policy) -> list[Judged]:
    """Those that the model in production was estimated on; `windows` in order of event time.

    Evidence begins anew with another model, and after each alarm (ADR 34).
    """
    threshold = alarm_threshold(windows_per_month(windows, policy), policy.alarms_per_month)
    evidence, found = 0.0, list[Judged]()
    for window in windows:
        estimate = window.estimate
        if estimate is None or estimate.p_value is None or estimate.model_digest != model_digest:
            continue
        evidence = accumulated(evidence, estimate.p_value)
        found.append(Judged(window, estimate, estimate.p_value, evidence, threshold))
        if found[-1].alarms:
            evidence = 0.0
    return found


def windows_per_month(windows: Sequence[Window], policy: Policy) -> float:
    """As the policy has it; of windows by rows, as the closed ones came."""
    closed = [window for window in windows if window.closed]
    if policy.window_by is WindowBy.TIME or not closed:
        return MONTH_S / policy.window_s
    span_s = max(1.0, (closed[-1].end_us - closed[0].start_us) / SECOND_US)
    return len(closed) * MONTH_S / span_s


def harmed_run(windows: Sequence[Judged]) -> list[Judged]:
    """The latest windows that are harmed without a break; none of them counts before one has alarmed."""
    run: list[Judged] = []
    for each in reversed(windows):
        if not each.harmed:
            break
        run.append(each)
    return run[::-1] if any(each.alarms for each in run) else []


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
    run = harmed_run(judged(windows, known.model_digest, policy))
    labels = sum(each.window.labelled for each in run)
    if not run or min(labels, known.fresh_labels) < policy.retrain_labels_min:
        return None
    rows = sum(each.window.rows for each in run)
    estimate = sum((each.estimate.accuracy or 0.0) * each.window.rows for each in run) / rows
    reference = run[-1].estimate.reference_accuracy
    return Due(
        RetrainCause.HARM,
        f"accuracy is estimated at {estimate:.3f} over {counted(len(run), 'window')}, {reference - estimate:.3f} below "
        f"the {reference:.3f} of the reference rows (margin {policy.harm_margin:g}); {labels} of their labels came",
    )


def _by_labels(known: Known, policy: Policy) -> Due | None:
    if known.fresh_labels < policy.retrain_labels_enough:
        return None
    return Due(
        RetrainCause.LABELS,
        f"no model has learnt from {counted(known.fresh_labels, 'label')}; {policy.retrain_labels_enough} are enough",
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
        f"{counted(known.fresh_labels, 'fresh label')}",
    )
