"""One event of every kind with fixed values, and Hypothesis strategies for any event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args, get_origin

import msgspec
from hypothesis import strategies as st

from dissonance.contracts.events import (
    EVENT_TYPES,
    Contradicted,
    Event,
    Experienced,
    Judged,
    Labelled,
    LabelsJoined,
    ModelPromoted,
    ModelRolledBack,
    PolicyChanged,
    Predicted,
    RetrainRequested,
    TaskCreated,
    TaskDeleted,
    WindowEvaluated,
)
from dissonance.contracts.topics import EventKind
from dissonance.contracts.verdicts import Reason, Verdict

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
        _make(Predicted, _PREDICTED, _ARMS),
        _make(Contradicted, _PREDICTED, _ARMS, _CONTRADICTED),
        _make(Judged, _PREDICTED, _ARMS, _CONTRADICTED, _JUDGED),
        _make(Experienced, _ROWS, {"first_stored": 2}),
        _make(
            Labelled,
            {
                "prediction_ids": _PREDICTED["prediction_ids"],
                "data_subjects": _PREDICTED["data_subjects"],
                "labelled_at_us": [T0_US + 8, T0_US + 9],
                "sealed": [b"\x01label-one", b"\x01label-two"],
                "source": "api",
            },
        ),
        _make(LabelsJoined, _ROWS),
        _make(WindowEvaluated, {"window_id": "w-1", "revision": 2}),
        _make(RetrainRequested, {"reason": "accuracy fell", "requested_by": "operator"}),
        _make(ModelPromoted, _MODEL),
        _make(ModelRolledBack, _MODEL, {"version": 3, "previous_version": None}),
        _make(PolicyChanged, {"version": 2, "policy_digest": "34" * 32, "reason": "tighter", "by": "operator"}),
        _make(TaskCreated, {"name": "census"}),
        _make(TaskDeleted, {"name": "census"}),
    )
}
"""What the golden bytes `tests/contract/golden/<kind>.v<version>.msgpack` of the current version decode to."""

UPGRADED: dict[EventKind, Event] = {
    kind: msgspec.structs.replace(CURRENT[kind], canary_arms=["production"] * 2, propensities=[1.0] * 2)
    for kind in (EventKind.PREDICTED, EventKind.CONTRADICTED, EventKind.JUDGED)
}
"""What the golden bytes of version 1, which knew no canary, decode to."""


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
    bytes: st.binary(max_size=20),
    float: st.floats(allow_nan=False),
    int | None: st.none() | _INTEGERS,
    Verdict: st.sampled_from(Verdict),
    Reason: st.sampled_from(Reason),
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
