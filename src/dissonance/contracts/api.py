"""Bodies of the HTTP API. Routes are `/v1/tasks/{task}/…`; `{task}` is a task's name.

A row is an object of field name to JSON scalar or null (missing): the features of the task's schema and,
where the task declares them, its time column (RFC 3339 text, or a number of seconds since 1970) and its
data subject column (text or number). Errors are problem+json (RFC 9457), see `web.problems`.
"""

from __future__ import annotations

import msgspec

from dissonance.contracts.schema import Scalar
from dissonance.contracts.verdicts import Reason, Verdict

Row = dict[str, Scalar | None]


class RowsRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `predict`, `contradict`, `check` and `run_once`."""

    rows: list[Row]


class Prediction(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`probabilities` in the order of `PredictReply.classes`, summing to 1. Doubt and dissonance, both in
    [0, 1], are there when `?contradict=true` was asked for."""

    prediction_id: str  # UUIDv7
    answer: Scalar = msgspec.field(name="class")
    probabilities: list[float]
    doubt: float | None = None
    dissonance: float | None = None


class PredictReply(msgspec.Struct, frozen=True):
    task: str
    model_version: int
    model_digest: str
    classes: list[Scalar]
    predictions: list[Prediction]


class Contradiction(msgspec.Struct, frozen=True, kw_only=True):
    """p (`probabilities`), c (`confidence`), q (`critic`), doubt = 1 - c, dissonance = D; nothing is recorded."""

    answer: Scalar = msgspec.field(name="class")
    probabilities: list[float]
    confidence: float
    critic: list[float]
    doubt: float
    dissonance: float


class ContradictReply(msgspec.Struct, frozen=True):
    task: str
    model_digest: str
    critic_digest: str
    classes: list[Scalar]
    contradictions: list[Contradiction]


class Check(msgspec.Struct, frozen=True):
    """What the gate would say now; nothing is recorded and no budget is spent. `fields` are out of range."""

    verdict: Verdict
    reason: Reason
    doubt: float
    dissonance: float
    fields: list[str]


class CheckReply(msgspec.Struct, frozen=True):
    task: str
    policy_version: int
    checks: list[Check]


class Label(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Names its prediction by `prediction_id`, or by `data_subject` with `event_time`: then it is of that data
    subject's latest input not later than it, and not earlier than `label_join_s` before it. `withdrawn`, in place of a
    label, takes back what was said before."""

    prediction_id: str | None = None
    label: Scalar | None = None
    labelled_at: str | None = None  # RFC 3339; now when left out
    data_subject: str | int | None = None
    event_time: str | float | None = None  # RFC 3339, or seconds since 1970
    withdrawn: bool = False


class LabelsRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    labels: list[Label]
    source: str = "api"


class LabelsReply(msgspec.Struct, frozen=True):
    """The labels are durable on the bus; they are joined within moments."""

    task: str
    accepted: int


class ModelReply(msgspec.Struct, frozen=True):
    role: str
    version: int
    digest: str
    created_at: str
    metrics: dict[str, float]
    parent: int | None
    in_production: bool


class ModelsReply(msgspec.Struct, frozen=True):
    task: str
    serving_version: int
    models: list[ModelReply]


class Cycle(msgspec.Struct, frozen=True, kw_only=True):
    """One input through propose, contradict, gate and learn; it is in the store when this is sent."""

    prediction_id: str
    answer: Scalar = msgspec.field(name="class")
    probabilities: list[float]
    doubt: float
    dissonance: float
    verdict: Verdict
    reason: Reason


class CyclesReply(msgspec.Struct, frozen=True):
    task: str
    model_version: int
    cycles: list[Cycle]
