"""One event of every kind with fixed values, and Hypothesis strategies for any event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args, get_origin

import msgspec
from hypothesis import strategies as st

from dissonance.contracts.events import (
    EVENT_TYPES,
    AnswerKept,
    CandidateRegistered,
    Contradicted,
    CredentialsChanged,
    Event,
    Experienced,
    FindingRaised,
    FindingResolved,
    HarmEstimated,
    IncidentRaised,
    Judged,
    Labelled,
    LabelsJoined,
    ModelPromoted,
    ModelRolledBack,
    PolicyChanged,
    Predicted,
    RetrainRequested,
    RolloutChanged,
    TaskCreated,
    TaskDeleted,
    UpdateJudged,
    WindowEvaluated,
)
from dissonance.contracts.topics import EventKind
from dissonance.contracts.updates import RetrainCause, RolloutPhase
from dissonance.contracts.verdicts import Reason, RuleFinding, UpdateVerdict, Verdict

TASK_ID = "0123456789abcdef0123456789abcdef"
T0_US = 1_450_000_000_000_000

_PREDICTED = {
    "prediction_ids": [bytes(range(16)), bytes(range(16, 32))],
    "data_subjects": [b"\x11" * 16, b"\x22" * 16],
    "event_times_us": [T0_US, T0_US + 1_000_000],
    "processing_times_us": [T0_US + 5, T0_US + 6],
    "sealed": [b"\x01sealed-one", b"\x01sealed-two"],
    "model_digest": "ab" * 32,
    "policy_digest": "cd" * 32,
}
_ARMS = {"canary_arms": ["production", "canary"], "propensities": [0.875, 0.125]}
_SHADOW = {"shadow_digest": "56" * 32}
_CONTRADICTED = {"confidences": [0.75, 0.5], "dissonances": [0.125, 0.25], "critic_digest": "ef" * 32}
_JUDGED = {
    "verdicts": [Verdict.ADMITTED, Verdict.BLOCKED],
    "reasons": [Reason.AGREED, Reason.DISSONANCE],
    "policy_version": 3,
}
_ROWS = {"prediction_ids": _PREDICTED["prediction_ids"], "event_times_us": _PREDICTED["event_times_us"]}
_MODEL = {"version": 4, "model_digest": "12" * 32, "previous_version": 3, "reason": "retrained", "by": "operator"}


def _envelope(kind: EventKind) -> dict[str, Any]:
    return {"event_id": f"{kind.value}-1", "task_id": TASK_ID, "produced_at_us": T0_US + 7, "producer": "proposer"}


def _make(event_type: type[Event], *fields: Mapping[str, object]) -> Event:
    merged = _envelope(event_type.KIND)
    for some in fields:
        merged |= some
    return event_type(**merged)


CURRENT: dict[EventKind, Event] = {
    event.KIND: event
    for event in (
        _make(Predicted, _PREDICTED, _ARMS, _SHADOW),
        _make(Contradicted, _PREDICTED, _ARMS, _SHADOW, _CONTRADICTED),
        _make(Judged, _PREDICTED, _ARMS, _SHADOW, _CONTRADICTED, _JUDGED),
        _make(Experienced, _ROWS, {"first_stored": 2}),
        _make(
            Labelled,
            {
                "prediction_ids": _PREDICTED["prediction_ids"],
                "data_subjects": _PREDICTED["data_subjects"],
                "labelled_at_us": [T0_US + 8, T0_US + 9],
                "sealed": [b"\x01label-one", b"\x01label-two"],
                "source": "api",
                "second_look": True,
            },
        ),
        _make(LabelsJoined, _ROWS),
        _make(WindowEvaluated, {"window_id": "w-1", "revision": 2}),
        _make(
            HarmEstimated,
            {
                "window_id": "w-1",
                "reference_accuracy": 0.75,
                "estimated_accuracy": 0.5,
                "harm_margin": 0.0625,
                "low": 0.375,
                "high": 0.625,
                "bound": 0.4375,
                "p_value": 0.0078125,
                "evidence": 18.5,
                "threshold": 15.0,
                "features": {"RELP": 0.125, "AGEP": 0.0625},
                "slices": {"RELP = 17": 0.125},
            },
        ),
        _make(
            RetrainRequested,
            {"reason": "accuracy fell", "requested_by": "operator", "cause": RetrainCause.HARM},
        ),
        _make(
            CandidateRegistered,
            {
                "version": 4,
                "model_digest": "12" * 32,
                "parent_version": 3,
                "reason": "accuracy fell",
                "numbers": {"step": 0.5, "kl": 0.015625},
            },
        ),
        _make(
            UpdateJudged,
            {
                "version": 4,
                "model_digest": "12" * 32,
                "verdict": UpdateVerdict.REFUSED,
                "findings": (RuleFinding("GoldenNonInferiority", False, {"drop": 0.25}, "accuracy would fall"),),
                "policy_version": 2,
                "by": "gate",
                "reason": "",
            },
        ),
        _make(
            RolloutChanged,
            {
                "rollout_id": "78" * 16,
                "phase": RolloutPhase.CANARY,
                "version": 4,
                "previous_version": 3,
                "reason": "accepted",
            },
        ),
        _make(ModelPromoted, _MODEL),
        _make(ModelRolledBack, _MODEL, {"version": 3, "previous_version": None}),
        _make(PolicyChanged, {"version": 2, "policy_digest": "34" * 32, "reason": "tighter", "by": "operator"}),
        _make(
            FindingRaised,
            {
                "code": "disk",
                "severity": "error",
                "subject": "data folder",
                "what": "1 % is free",
                "fix": "make room",
                "evidence": {"free_bytes": 1024, "share": 0.0078125, "folder": "data"},
                "first_seen_us": T0_US,
            },
        ),
        _make(
            IncidentRaised,
            {
                "version": 4,
                "previous_version": 3,
                "what": "version 4 was taken back: worse",
                "since_us": T0_US,
                "evidence": {"new_calls": 100.0, "new_failed": 50.0, "difference": -0.25},
                "replicas": ["host/1"],
                "replicas_missing": ["host/2"],
            },
        ),
        _make(FindingResolved, {"code": "disk", "subject": "data folder", "first_seen_us": T0_US}),
        _make(AnswerKept, {"key_hash": b"\x33" * 32, "body_digest": b"\x44" * 32, "answer": b"\x93predicted"}),
        _make(TaskCreated, {"name": "census"}),
        _make(TaskDeleted, {"name": "census"}),
        _make(CredentialsChanged, {"changes": 7}),
    )
}
"""What the golden bytes `tests/contract/golden/<kind>.v<version>.msgpack` of the current version decode to."""

_OF_ROWS = (EventKind.PREDICTED, EventKind.CONTRADICTED, EventKind.JUDGED)

OLDER: dict[tuple[EventKind, int], Event] = {
    (kind, 1): msgspec.structs.replace(
        CURRENT[kind], canary_arms=["production"] * 2, propensities=[1.0] * 2, shadow_digest=""
    )
    for kind in _OF_ROWS
}
OLDER |= {(kind, 2): msgspec.structs.replace(CURRENT[kind], shadow_digest="") for kind in _OF_ROWS}
OLDER |= {
    (EventKind.RETRAIN_REQUESTED, 1): msgspec.structs.replace(
        CURRENT[EventKind.RETRAIN_REQUESTED], cause=RetrainCause.HAND
    ),
    (EventKind.LABELLED, 1): msgspec.structs.replace(CURRENT[EventKind.LABELLED], second_look=False),
    (EventKind.HARM_ESTIMATED, 1): msgspec.structs.replace(
        CURRENT[EventKind.HARM_ESTIMATED],
        **dict.fromkeys(("low", "high", "bound", "p_value", "evidence", "threshold")),
        features={},
        slices={},
    ),
}
"""What the golden bytes of older versions decode to: of rows 1 knew no canary, 2 no shadow."""


def evaluated(number: int, *, prefix: str = "event", task_id: str = TASK_ID) -> WindowEvaluated:
    """A small event whose id and revision are `number`."""
    return WindowEvaluated(
        event_id=f"{prefix}-{number}",
        task_id=task_id,
        produced_at_us=T0_US,
        producer="test",
        window_id=prefix,
        revision=number,
    )


def joined(number: int, *, rows: int = 3, prefix: str = "joined") -> LabelsJoined:
    """An event of another kind with `rows` rows."""
    return LabelsJoined(
        event_id=f"{prefix}-{number}",
        task_id=TASK_ID,
        produced_at_us=T0_US,
        producer="test",
        prediction_ids=[row.to_bytes(16, "big") for row in range(rows)],
        event_times_us=[T0_US + row for row in range(rows)],
    )


_INTEGERS = st.integers(-(2**63), 2**63 - 1)  # what msgpack can hold
_VALUES: dict[object, st.SearchStrategy[object]] = {
    int: _INTEGERS,
    str: st.text(max_size=20),
    bool: st.booleans(),
    bytes: st.binary(max_size=20),
    float: st.floats(allow_nan=False),
    int | None: st.none() | _INTEGERS,
    float | None: st.none() | st.floats(allow_nan=False),
    Verdict: st.sampled_from(Verdict),
    Reason: st.sampled_from(Reason),
    RetrainCause: st.sampled_from(RetrainCause),
    RolloutPhase: st.sampled_from(RolloutPhase),
    UpdateVerdict: st.sampled_from(UpdateVerdict),
    dict[str, float]: st.dictionaries(st.text(max_size=5), st.floats(allow_nan=False), max_size=3),
    dict[str, float | int | str]: st.dictionaries(
        st.text(max_size=5), st.floats(allow_nan=False) | _INTEGERS | st.text(max_size=5), max_size=3
    ),
    tuple[RuleFinding, ...]: st.lists(
        st.builds(RuleFinding, st.text(max_size=5), st.booleans(), st.just({"drop": 0.5}), st.text(max_size=5)),
        max_size=3,
    ).map(tuple),
}


def _any_of(event_type: type[Event]) -> st.SearchStrategy[Event]:
    fields: dict[str, st.SearchStrategy[object]] = {}
    for field in msgspec.structs.fields(event_type):
        annotation = field.type
        is_column = get_origin(annotation) is list
        value = _VALUES[get_args(annotation)[0] if is_column else annotation]
        fields[field.name] = st.lists(value, max_size=4) if is_column else value
    return st.builds(event_type, **fields)


any_event: st.SearchStrategy[Event] = st.one_of(*map(_any_of, EVENT_TYPES.values()))
"""Any event that the types and the wire allow."""
