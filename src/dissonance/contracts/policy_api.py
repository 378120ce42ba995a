"""Bodies of the HTTP API about policies. Times are RFC 3339."""

from __future__ import annotations

import msgspec

from dissonance.contracts.policy import Policy


class PolicyReply(msgspec.Struct, frozen=True):
    """One version of a policy: who set it, when, and why."""

    task: str
    policy: Policy
    set_at: str
    by: str
    reason: str


class PolicyVersionsReply(msgspec.Struct, frozen=True):
    """Newest first."""

    task: str
    versions: list[PolicyReply]


class PolicyRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`changes`: values by name. `version`: the one they are meant for; any when left out."""

    changes: dict[str, float | int | str]
    reason: str
    version: int | None = None
