"""Words of an update's way into production. They are stored and travel: never rename one."""

from __future__ import annotations

from enum import StrEnum


class RetrainCause(StrEnum):
    """Why an update is due."""

    HARM = "harm"
    LABELS = "labels"
    SCHEDULE = "schedule"
    HAND = "hand"


class RolloutPhase(StrEnum):
    """`CANARY`: a share of requests is answered by the candidate, and the incumbent answers the same rows in its
    shadow.
    `ARMED`: promoted, under watch, the version before answers in its shadow. The others are ends."""

    CANARY = "canary"
    ARMED = "armed"
    SETTLED = "settled"
    ABANDONED = "abandoned"
    ROLLED_BACK = "rolled_back"


LIVE_PHASES = frozenset({RolloutPhase.CANARY, RolloutPhase.ARMED})
