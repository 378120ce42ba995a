"""HTTP of the auditor: what it found."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from dissonance.contracts.events import WHOLE_SYSTEM
from dissonance.contracts.finding_api import FindingReply, FindingsReply
from dissonance.contracts.times import to_text
from dissonance.errors import EngineUnavailable, UnknownTask
from dissonance.ports.findings import Finding
from dissonance.roles.role import Workplace
from dissonance.security.permissions import Permission
from dissonance.web.bodies import json_reply
from dissonance.web.routes import ProtectedRouter


def routes(place: Workplace) -> ProtectedRouter:
    router = ProtectedRouter()

    @router.protected(
        "GET",
        "/v1/tasks/{task}/findings",
        permission=Permission.FINDINGS,
        reply=FindingsReply,
        problems=(UnknownTask, EngineUnavailable),
    )
    async def of_task(request: Request, task: str, resolved: Annotated[bool, Query()] = False) -> Response:
        """What is wrong with a task, the worst first; with `resolved` what was, too."""
        context = await place.catalogue.by_name(task)
        found = await place.store.findings(context.task.task_id, include_resolved=resolved)
        return json_reply(FindingsReply(task, [finding_reply(finding) for finding in found]))

    @router.protected(
        "GET",
        "/v1/findings",
        permission=Permission.SYSTEM_FINDINGS,
        reply=FindingsReply,
        problems=(EngineUnavailable,),
    )
    async def of_system(request: Request, resolved: Annotated[bool, Query()] = False) -> Response:
        """What is wrong with the system as a whole: engines, consumers, keys, clocks, disk."""
        found = await place.store.findings(WHOLE_SYSTEM, include_resolved=resolved)
        return json_reply(FindingsReply(None, [finding_reply(finding) for finding in found]))

    return router


def finding_reply(finding: Finding) -> FindingReply:
    return FindingReply(
        code=finding.code,
        severity=finding.severity.name.lower(),
        subject=finding.subject,
        what=finding.what,
        fix=finding.fix,
        evidence=finding.evidence,
        first_seen=to_text(finding.first_seen_us),
        last_seen=to_text(finding.last_seen_us),
        resolved_at=None if finding.resolved_at_us is None else to_text(finding.resolved_at_us),
    )
