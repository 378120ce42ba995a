"""Bodies of the HTTP API about label requests. Times are RFC 3339."""

from __future__ import annotations

import msgspec

from dissonance.contracts.api import Row
from dissonance.contracts.schema import Scalar


class LeaseRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Take up to `count` requests."""

    count: int = 1


class LeasedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One question. `row` is what the model saw; what it answered is not shown, so that nobody is led."""

    request_id: str
    prediction_id: str
    asked_as: str
    event_time: str
    leased_until: str
    row: Row


class LeaseReply(msgspec.Struct, frozen=True):
    task: str
    classes: list[Scalar]
    requests: list[LeasedRequest]


class AnswerRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    label: Scalar
    labelled_at: str | None = None  # now when left out


class SettledReply(msgspec.Struct, frozen=True):
    request_id: str
    state: str


class QueueReply(msgspec.Struct, frozen=True, kw_only=True):
    """`asked_today` is under the budget, by the day of event time that the stream has come to. `coverage`: share of
    stored inputs that have a label, in [0, 1]."""

    task: str
    by_state: dict[str, int]
    by_reason: dict[str, int]
    budget_per_day: int
    day: str | None
    asked_today: int
    labels: int
    learnable: int
    waiting_for_second_look: int
    withdrawn: int
    coverage: float
    latest_label_at: str | None
