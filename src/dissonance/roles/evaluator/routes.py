"""HTTP of the evaluator: windows, and updates asked for by hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from dissonance.contracts.events import RetrainRequested
from dissonance.contracts.times import to_text
from dissonance.contracts.updates import RetrainCause
from dissonance.contracts.window_api import (
    RetrainReply,
    RetrainRequest,
    WindowDetailReply,
    WindowReply,
    WindowsReply,
)
from dissonance.contracts.windows import SliceFigures, Stated
from dissonance.errors import EngineUnavailable, InputError, UnknownTask, UnknownWindow
from dissonance.ports.store import Window
from dissonance.roles.evaluator.audits import MOST_ROWS, audited
from dissonance.roles.evaluator.handle import PRODUCER, latest_us
from dissonance.roles.role import Workplace
from dissonance.science.proportions import wilson_interval
from dissonance.security.permissions import Permission
from dissonance.web.admission import identity_of
from dissonance.web.bodies import json_reply, read_body
from dissonance.web.routes import ProtectedRouter

MAX_WINDOWS = 10_000
LONGEST_REASON = 500  # characters


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
        return json_reply(WindowsReply(task, [window_reply(window) for window in listed]))

    @router.protected(
        "GET",
        "/v1/tasks/{task}/windows/{window_id}",
        permission=Permission.WINDOWS,
        reply=WindowDetailReply,
        problems=(UnknownTask, UnknownWindow, EngineUnavailable),
    )
    async def window(request: Request, task: str, window_id: str) -> Response:
        """One window with its slices, the least accurate first, and its audit by labels as they are now."""
        context = await place.catalogue.by_name(task)
        for found in await place.store.windows(context.task.task_id, MAX_WINDOWS):
            if found.window_id == window_id:
                drawn = await place.store.drawn_rows(found.task_id, found.start_us, found.end_us, MOST_ROWS)
                audit = audited(drawn, context.policy, await latest_us(place.store, place.clock, found.task_id))
                return json_reply(
                    WindowDetailReply(task, window_reply(found), least_accurate_first(found.slices), audit)
                )
        raise UnknownWindow(
            f"'{task}' has no window '{window_id[:80]}'",
            where="window_id",
            fix=f"list them: GET /v1/tasks/{task}/windows",
        )

    @router.protected(
        "POST",
        "/v1/tasks/{task}/retrain",
        permission=Permission.RETRAIN,
        body=RetrainRequest,
        reply=RetrainReply,
        problems=(UnknownTask, InputError, EngineUnavailable),
    )
    async def retrain(request: Request, task: str) -> Response:
        """Ask for an update by hand: the learner trains it, the gate judges it."""
        context = await place.catalogue.by_name(task)
        reason = _reason((await read_body(request, RetrainRequest)).reason)
        event = RetrainRequested(
            event_id=place.randomness.token(16).hex(),
            task_id=context.task.task_id,
            produced_at_us=place.clock.now_us(),
            producer=PRODUCER,
            reason=reason,
            requested_by=identity_of(request.scope).name,
            cause=RetrainCause.HAND,
        )
        await place.bus.publish([event])
        return json_reply(RetrainReply(task, event.event_id), status=202)

    return router


def window_reply(window: Window) -> WindowReply:
    checked, estimate = window.random_checked, window.estimate
    told = None if estimate is None else estimate.accuracy
    stated = {name: getattr(window, name) for name in Stated.__struct_fields__}
    if told is not None:
        stated["estimated_accuracy"] = told
    return WindowReply(
        **stated,
        start=to_text(window.start_us),
        end=to_text(window.end_us),
        coverage=window.labelled / window.rows,
        random_accuracy=window.random_right / checked if checked else None,
        random_interval=list(wilson_interval(window.random_right, checked)[1:]) if checked else None,
        both_wrong_rate=window.both_wrong / checked if checked else None,
        both_wrong_interval=list(wilson_interval(window.both_wrong, checked)[1:]) if checked else None,
    )


def least_accurate_first(slices: Iterable[SliceFigures]) -> list[SliceFigures]:
    return sorted(slices, key=lambda each: (each.estimated_accuracy, each.feature, each.value))


def _reason(reason: str) -> str:
    text = reason.strip()
    if not 0 < len(text) <= LONGEST_REASON or not text.isprintable():
        raise InputError(
            "an update by hand needs a reason in one line of text",
            where="reason",
            fix=f"say why in 1 to {LONGEST_REASON} characters",
        )
    return text
