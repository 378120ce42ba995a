"""The answers of a window, audited by the labels that were asked for (ADR 31). Pure.

A label counts for 1/π inputs, π being the chance with which its input was asked about, as it was stored with the
request; labels that nobody asked for, or that somebody asked for by hand, have none and stay out.
"""

from __future__ import annotations

import numpy as np

from dissonance.contracts.policy import Policy
from dissonance.contracts.window_api import AuditReply
from dissonance.ports.labels import DrawnRows
from dissonance.roles.evaluator.decide import SECOND_US
from dissonance.science.active_inference import audit
from dissonance.science.counted_labels import Asked, Counted, Delay, counted

MOST_ROWS = 20_000
"""The newest rows of a window, which are audited."""

AGREED = 0.5
"""Belief from which on the critic, too, holds the answer to be right."""


def audited(drawn: DrawnRows, policy: Policy, now_us: int) -> AuditReply | None:
    """`now_us`: event time. None while no label counts."""
    labels = counted(
        _asked(drawn),
        now_s=now_us / SECOND_US,
        maturity_s=float(policy.label_maturity_s),
        delay=Delay(policy.label_delay.value),
    )
    if not labels.known.any():
        return None
    beliefs = np.array(drawn.confidences)
    right = np.array(drawn.right, dtype=np.float64)
    found = audit(beliefs, right, labels)
    at_any_time = found.at_any_time
    agreed = _only(labels, beliefs >= AGREED)
    wrong = audit(1.0 - beliefs, 1.0 - right, agreed) if agreed.known.any() else None
    return AuditReply(
        rows=found.rows,
        labels=found.labels,
        unanswered=found.unanswered,
        believed=found.believed,
        accuracy=found.estimate,
        interval=list(found.once[1:]),
        interval_at_any_time=None if at_any_time is None else list(at_any_time[1:]),
        both_wrong_rate=None if wrong is None else wrong.estimate,
        both_wrong_interval=None if wrong is None else list(wrong.once[1:]),
    )


def _asked(drawn: DrawnRows) -> Asked:
    drawn_at_s = np.array(drawn.event_times_us, dtype=np.float64) / SECOND_US
    propensities = np.array(drawn.propensities, dtype=np.float64)
    labelled_at_s = np.array(drawn.labelled_at_us, dtype=np.float64) / SECOND_US
    # Who gives a label may date it before its input: it came no earlier than that.
    return Asked(propensities, ~np.isnan(propensities), drawn_at_s, np.maximum(labelled_at_s, drawn_at_s))


def _only(labels: Counted, inside: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Counted:
    return labels._replace(
        rows=labels.rows & inside, known=labels.known & inside, unanswered=labels.unanswered & inside
    )
