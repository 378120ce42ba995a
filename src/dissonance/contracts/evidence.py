"""Words of the decisions on models, and the bytes that stand for one. They are stored and signed: never rename one.

Canonical bytes are JSON (RFC 8259) in UTF-8: members sorted by name, no white space, integers in decimal, other numbers
as the shortest text that reads back to the same double. JSON has no word for numbers that are not finite: they are the
texts `inf`, `-inf` and `nan` (ADR 45).
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


class DecisionKind(StrEnum):
    """What was decided: the first three by the gate of a candidate, the next of its way into production and back, the
    last of the rows that the gate judges by."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    OVERRIDDEN = "overridden"  # refused, and let through by a person
    CANARY = "canary"
    PROMOTED = "promoted"
    ABANDONED = "abandoned"
    SETTLED = "settled"
    ROLLED_BACK = "rolled_back"
    HOLDOUT_REFRESHED = "holdout_refreshed"


MOVES = (DecisionKind.PROMOTED, DecisionKind.ROLLED_BACK)
"""What puts a version into production."""

ROLLOUT_STEPS = (
    DecisionKind.CANARY,
    DecisionKind.PROMOTED,
    DecisionKind.ABANDONED,
    DecisionKind.SETTLED,
    DecisionKind.ROLLED_BACK,
)


def canonical(value: Any) -> bytes:
    """
    >>> canonical({"b": float("inf"), "a": 1.0})
    b'{"a":1.0,"b":"inf"}'
    """
    return msgspec.json.encode(_in_words(msgspec.to_builtins(value, str_keys=True)), order="sorted")


def is_canonical(body: bytes) -> bool:
    """
    >>> is_canonical(b'{"a":1,"b":2}'), is_canonical(b'{"b":2,"a":1}'), is_canonical(b"no JSON")
    (True, False, False)
    """
    try:
        return canonical(msgspec.json.decode(body)) == body
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False


def from_canonical(body: bytes, kind: type[T]) -> T:
    """What was encoded; what `kind` has beside it gets its default. Raises `msgspec.MsgspecError`, and whatever `kind`
    raises for values out of range.

    >>> from_canonical(b'{"a":"inf"}', dict[str, float])
    {'a': inf}
    """
    return msgspec.convert(msgspec.json.decode(body), kind, strict=False)


def _in_words(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if isinstance(value, dict):
        return {name: _in_words(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_in_words(each) for each in value]
    return value
