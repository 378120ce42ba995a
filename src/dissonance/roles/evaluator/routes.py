"""HTTP of the evaluator: windows."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from dissonance.contracts.api import WindowReply, WindowsReply
from dissonance.contracts.times import to_text
from dissonance.errors import EngineUnavailable, UnknownTask
from dissonance.ports.store import Window
from dissonance.roles.role import Workplace
from dissonance.security.permissions import Permission
from dissonance.web.bodies import json_reply
from dissonance.web.routes import ProtectedRouter

MAX_WINDOWS = 10_000


def routes(place: Workplace) -> ProtectedRouter:
    router = ProtectedRouter()

    @router.protected(
        "GET",
        "/v1/tasks/{task}/windows",
        permission=Permission.WINDOWS,
        reply=WindowsReply,
        problems=(UnknownTask, EngineUnavailable),
    )
    async def windows(
        request: Request, task: str, limit: Annotated[int, Query(ge=1, le=MAX_WINDOWS)] = 100
    ) -> Response:
        """The latest windows by event time, newest first, each as restated last."""
        context = await place.catalogue.by_name(task)
        listed = await place.store.windows(context.task.task_id, limit)
        return json_reply(WindowsReply(task, [_reply(window) for window in listed]))

    return router


def _reply(window: Window) -> WindowReply:
    return WindowReply(
        window_id=window.window_id,
        start=to_text(window.start_us),
        end=to_text(window.end_us),
        revision=window.revision,
        rows=window.rows,
        labelled=window.labelled,
        mean_doubt=window.mean_doubt,
        mean_dissonance=window.mean_dissonance,
        share_over_target=window.share_over_target,
        estimated_accuracy=window.estimated_accuracy,
        realised_accuracy=window.realised_accuracy,
        closed=window.closed,
    )
