"""Where events travel. Grammar: `dissonance.<task id>.<kind>`; task id is 32 hex digits.

Questions to all processes, stored nowhere: `dissonance-ask.<question>`.

One JetStream stream holds one kind (its name: `DISSONANCE_<KIND>`), so that each kind has its own
retention. Dead letters: `dissonance-dead.<task id>.<kind>.<consumer>`.
"""

from __future__ import annotations

from enum import StrEnum


class EventKind(StrEnum):
    """Every kind of event there is; lower-case past tense, words joined by `_`."""

    PREDICTED = "predicted"
    CONTRADICTED = "contradicted"
    JUDGED = "judged"
    EXPERIENCED = "experienced"
    LABELLED = "labelled"
    LABELS_JOINED = "labels_joined"
    WINDOW_EVALUATED = "window_evaluated"
    HARM_ESTIMATED = "harm_estimated"
    RETRAIN_REQUESTED = "retrain_requested"
    CANDIDATE_REGISTERED = "candidate_registered"
    UPDATE_JUDGED = "update_judged"
    ROLLOUT_CHANGED = "rollout_changed"
    MODEL_PROMOTED = "model_promoted"
    MODEL_ROLLED_BACK = "model_rolled_back"
    INCIDENT_RAISED = "incident_raised"
    POLICY_CHANGED = "policy_changed"
    FINDING_RAISED = "finding_raised"
    FINDING_RESOLVED = "finding_resolved"
    ANSWER_KEPT = "answer_kept"
    TASK_CREATED = "task_created"
    TASK_DELETED = "task_deleted"
    CREDENTIALS_CHANGED = "credentials_changed"


ANY_TASK = "*"
DEAD_STREAM = "DISSONANCE_DEAD"
DEAD_PREFIX = "dissonance-dead"
ASK_PREFIX = "dissonance-ask"


def topic(kind: EventKind, task_id: str = ANY_TASK) -> str:
    """
    >>> topic(EventKind.PREDICTED)
    'dissonance.*.predicted'
    """
    return f"dissonance.{task_id}.{kind.value}"


def ask_topic(question: str) -> str:
    """
    >>> ask_topic("serving")
    'dissonance-ask.serving'
    """
    return f"{ASK_PREFIX}.{question}"


def stream(kind: EventKind) -> str:
    """
    >>> stream(EventKind.LABELS_JOINED)
    'DISSONANCE_LABELS_JOINED'
    """
    return f"DISSONANCE_{kind.value.upper()}"


def dead_topic(kind: EventKind, task_id: str, consumer: str) -> str:
    return f"{DEAD_PREFIX}.{task_id}.{kind.value}.{consumer}"
