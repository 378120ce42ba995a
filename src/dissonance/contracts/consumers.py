"""Every durable consumer and what it reads, for those that look at all of them; a test holds it to the roles."""

from __future__ import annotations

from collections.abc import Mapping

from dissonance.contracts.topics import EventKind

CONSUMERS: Mapping[str, tuple[EventKind, ...]] = {
    "critic": (EventKind.PREDICTED,),
    "gate": (EventKind.CONTRADICTED,),
    "gate-updates": (EventKind.CANDIDATE_REGISTERED,),
    "gate-rollouts": (EventKind.LABELS_JOINED, EventKind.WINDOW_EVALUATED),
    "learner": (EventKind.JUDGED,),
    "learner-labels": (EventKind.LABELLED,),
    "learner-answers": (EventKind.ANSWER_KEPT,),
    "learner-updates": (EventKind.RETRAIN_REQUESTED,),
    "evaluator": (EventKind.EXPERIENCED, EventKind.LABELS_JOINED),
    "evaluator-estimates": (EventKind.WINDOW_EVALUATED,),
    "meta": (EventKind.CANDIDATE_REGISTERED,),
}
