"""What the gate may say of one input or of one update, and why. These words are stored: never rename one."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Verdict(StrEnum):
    ADMITTED = "admitted"
    BLOCKED = "blocked"


class Reason(StrEnum):
    """Why a verdict fell; `AGREED` and `WITHIN_BUDGET` admit, all others block."""

    AGREED = "agreed"
    WITHIN_BUDGET = "within_budget"
    SCHEMA = "schema"
    RANGE = "range"
    OUTLIER = "outlier"
    BURST = "burst"
    DISSONANCE = "dissonance"
    DOUBT = "doubt"
    BUDGET = "budget"
    ERASED = "erased"


class UpdateVerdict(StrEnum):
    """What the gate says of a candidate."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    OVERRIDDEN = "overridden"  # refused, and let through by a person who gave a reason


class RuleFinding(msgspec.Struct, frozen=True):
    """One rule of the gate on one candidate: whether it holds, and the numbers it rests on."""

    rule: str  # the name of its class
    holds: bool
    numbers: dict[str, float]
    what: str  # one sentence with numbers and units
