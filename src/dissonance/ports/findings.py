"""What the auditor found, as the store keeps it (part of `ports.store.Store`)."""

from __future__ import annotations

from enum import IntEnum
from typing import Protocol

import msgspec


class Severity(IntEnum):
    """How bad a finding is. `ERROR`: something does not work or cannot be trusted; `CRITICAL`: right now."""

    NOTE = 1
    WARNING = 2
    ERROR = 3
    CRITICAL = 4


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """`code` names the check, `subject` what it is about (a task's name, a consumer, a folder). Times in microseconds.

    `evidence` are the numbers and names it rests on, never a row's value.
    """

    task_id: str  # `WHOLE_SYSTEM` where it is about no task
    code: str
    subject: str
    severity: Severity
    what: str
    fix: str
    evidence: dict[str, float | int | str]
    first_seen_us: int
    last_seen_us: int
    resolved_at_us: int | None = None


class FindingStore(Protocol):
    async def keep_finding(self, finding: Finding) -> bool:
        """Open one, or bring an open one of the same task, code and subject up to date (its `first_seen_us` stays).
        True when it was not open before."""
        ...

    async def resolve_finding(self, task_id: str, code: str, subject: str, at_us: int) -> bool:
        """True when it was open."""
        ...

    async def findings(self, task_id: str | None = None, *, include_resolved: bool = False) -> list[Finding]:
        """Of one task, or of all and of the system; the worst first, then the newest."""
        ...
