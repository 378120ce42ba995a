"""What the auditor found."""

from __future__ import annotations

import msgspec

from dissonance.adapters.postgres.part import StorePart, task_key, unknown_task
from dissonance.contracts.events import WHOLE_SYSTEM
from dissonance.ports.findings import Finding


class PostgresFindings(StorePart):
    """`ports.findings.FindingStore`."""

    async def keep_finding(self, finding: Finding) -> bool:
        parameters = {
            "task": task_key(finding.task_id),
            "code": finding.code,
            "subject": finding.subject,
            "severity": int(finding.severity),
            "first_seen_us": finding.first_seen_us,
            "body": msgspec.json.encode(finding).decode(),
        }
        if finding.task_id != WHOLE_SYSTEM and not await self._database.rows("task_by_id", parameters):
            raise unknown_task(finding.task_id)
        return bool((await self._database.rows("open_finding", parameters))[0][0])

    async def resolve_finding(self, task_id: str, code: str, subject: str, at_us: int) -> bool:
        parameters = {"task": task_key(task_id), "code": code, "subject": subject, "at_us": at_us}
        return await self._database.execute("resolve_finding", parameters) == 1

    async def findings(self, task_id: str | None = None, *, include_resolved: bool = False) -> list[Finding]:
        parameters = {
            "every_task": task_id is None,
            "task": task_key(task_id or WHOLE_SYSTEM),
            "system": task_key(WHOLE_SYSTEM),
            "include_resolved": include_resolved,
        }
        rows = await self._database.rows("findings", parameters)
        return [
            msgspec.structs.replace(
                msgspec.json.decode(body, type=Finding), first_seen_us=first_us, resolved_at_us=resolved_us
            )
            for body, first_us, resolved_us in rows
        ]
