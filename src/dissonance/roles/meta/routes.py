"""HTTP of the meta-controller: the policy, its history, and how to change it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from dissonance.contracts.policy_api import PolicyReply, PolicyRequest, PolicyVersionsReply
from dissonance.contracts.times import to_text
from dissonance.decisions.policy_changes import changed
from dissonance.errors import EngineUnavailable, InputError, PolicyConflict, PolicyInvalid, UnknownTask
from dissonance.ports.store import PolicyRecord
from dissonance.roles.meta.handle import MetaController
from dissonance.roles.role import Workplace
from dissonance.security.permissions import Permission
from dissonance.web.admission import identity_of
from dissonance.web.bodies import json_reply, read_body
from dissonance.web.routes import ProtectedRouter

MOST_VERSIONS = 10_000
LONGEST_REASON = 500  # characters


def routes(place: Workplace, controller: MetaController) -> ProtectedRouter:
    router = ProtectedRouter()

    @router.protected(
        "GET",
        "/v1/tasks/{task}/policy",
        permission=Permission.POLICY,
        reply=PolicyReply,
        problems=(UnknownTask, EngineUnavailable),
    )
    async def policy(request: Request, task: str) -> Response:
        """The policy in force, who set it, and why."""
        context = await place.catalogue.by_name(task)
        return json_reply(policy_reply(task, (await place.store.policy_history(context.task.task_id, 1))[0]))

    @router.protected(
        "GET",
        "/v1/tasks/{task}/policy/history",
        permission=Permission.POLICY,
        reply=PolicyVersionsReply,
        problems=(UnknownTask, EngineUnavailable),
    )
    async def history(
        request: Request, task: str, limit: Annotated[int, Query(ge=1, le=MOST_VERSIONS)] = 100
    ) -> Response:
        """Every version of the policy, newest first."""
        context = await place.catalogue.by_name(task)
        listed = await place.store.policy_history(context.task.task_id, limit)
        return json_reply(PolicyVersionsReply(task, [policy_reply(task, record) for record in listed]))

    @router.protected(
        "POST",
        "/v1/tasks/{task}/policy",
        permission=Permission.SET_POLICY,
        body=PolicyRequest,
        reply=PolicyReply,
        problems=(UnknownTask, PolicyInvalid, PolicyConflict, EngineUnavailable),
    )
    async def set_policy(request: Request, task: str) -> Response:
        """Change values of the policy. Every role goes by the new version from its next row on."""
        context = await place.catalogue.by_name(task)
        body = await read_body(request, PolicyRequest)
        event = await controller.change(
            context.task,
            lambda before: changed(before, body.changes),
            reason=checked_reason(body.reason),
            by=identity_of(request.scope).name,
            version=body.version,
        )
        await place.bus.publish([event])
        return json_reply(policy_reply(task, (await place.store.policy_history(context.task.task_id, 1))[0]))

    return router


def policy_reply(task: str, record: PolicyRecord) -> PolicyReply:
    return PolicyReply(task, record.policy, to_text(record.set_at_us), record.by, record.reason)


def checked_reason(reason: str, where: str = "reason") -> str:
    """Without spaces around it. Raises `InputError` for none, or one that is no short line."""
    text = reason.strip()
    if not 0 < len(text) <= LONGEST_REASON or not text.isprintable():
        raise InputError(
            "a change of the policy needs a reason in one line of text",
            where=where,
            fix=f"say why in 1 to {LONGEST_REASON} characters, as {where}",
        )
    return text
