"""Bodies of the HTTP API about what the auditor found. Times are RFC 3339."""

from __future__ import annotations

import msgspec


class FindingReply(msgspec.Struct, frozen=True, kw_only=True):
    """`code` is a check of docs/findings.md, `severity` one of note, warning, error, critical; `fix` says how to mend
    it. `resolved_at` is None while it lasts."""

    code: str
    severity: str
    subject: str
    what: str
    fix: str
    evidence: dict[str, float | int | str]
    first_seen: str
    last_seen: str
    resolved_at: str | None


class FindingsReply(msgspec.Struct, frozen=True):
    """The worst first. `task` is None for those about the whole system."""

    task: str | None
    findings: list[FindingReply]
