"""What the gate may say of one input, and why. The reasons are stored: never rename one."""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    ADMITTED = "admitted"
    BLOCKED = "blocked"


class Reason(StrEnum):
    """Why a verdict fell; `AGREED` and `WITHIN_BUDGET` admit, all others block."""

    AGREED = "agreed"
    WITHIN_BUDGET = "within_budget"
    SCHEMA = "schema"
    RANGE = "range"
    DISSONANCE = "dissonance"
    BUDGET = "budget"
    ERASED = "erased"
