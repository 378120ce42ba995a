"""Findings of the auditor in memory (`ports.findings.FindingStore`)."""

from __future__ import annotations

import msgspec

from dissonance.adapters.memory.held import Held
from dissonance.contracts.events import WHOLE_SYSTEM
from dissonance.ports.findings import Finding

Key = tuple[str, str, str, int]


class MemoryFindings(Held):
    async def keep_finding(self, finding: Finding) -> bool:
        if finding.task_id != WHOLE_SYSTEM:
            self._of(finding.task_id)
        key = self._open(finding.task_id, finding.code, finding.subject)
        if key is None:
            self._findings[finding.task_id, finding.code, finding.subject, finding.first_seen_us] = finding
            return True
        first_us = self._findings[key].first_seen_us
        self._findings[key] = msgspec.structs.replace(finding, first_seen_us=first_us)
        return False

    async def resolve_finding(self, task_id: str, code: str, subject: str, at_us: int) -> bool:
        key = self._open(task_id, code, subject)
        if key is None:
            return False
        self._findings[key] = msgspec.structs.replace(self._findings[key], resolved_at_us=at_us)
        return True

    async def findings(self, task_id: str | None = None, *, include_resolved: bool = False) -> list[Finding]:
        self._require()
        found = [
            finding
            for finding in self._findings.values()
            if (task_id is None or finding.task_id == task_id)
            and (finding.task_id == WHOLE_SYSTEM or finding.task_id in self._tasks)
            and (include_resolved or finding.resolved_at_us is None)
        ]
        return sorted(found, key=lambda each: (-each.severity, -each.first_seen_us, each.code, each.subject))

    def _open(self, task_id: str, code: str, subject: str) -> Key | None:
        self._require()
        for key, finding in self._findings.items():
            if key[:3] == (task_id, code, subject) and finding.resolved_at_us is None:
                return key
        return None
