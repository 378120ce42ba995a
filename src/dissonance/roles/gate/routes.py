"""HTTP of the gate: what it would say, without saying it; what it said of updates; and every decision on models."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from dissonance.contracts.api import Check, CheckReply, RowsRequest
from dissonance.contracts.decision_api import DecisionReply, DecisionsReply
from dissonance.contracts.update_api import UpdatesReply
from dissonance.decisions.inputs import InputRows, counted_before, hours_of, judge_inputs
from dissonance.decisions.rows import widths_outside
from dissonance.errors import EngineUnavailable, InputError, UnknownDecision, UnknownTask
from dissonance.roles.arrivals import ROW_PROBLEMS, arrivals_of
from dissonance.roles.gate.decisions import decision_line, decision_reply, find_decision, wanted
from dissonance.roles.gate.telling import updates_of
from dissonance.roles.role import Workplace
from dissonance.roles.serving import doubt_of
from dissonance.security.permissions import Permission
from dissonance.web.bodies import json_reply, read_body
from dissonance.web.routes import ProtectedRouter

MOST_DECISIONS = 1_000


def routes(place: Workplace) -> ProtectedRouter:
    router = ProtectedRouter()

    @router.protected(
        "POST",
        "/v1/tasks/{task}/check",
        permission=Permission.CHECK,
        body=RowsRequest,
        reply=CheckReply,
        problems=ROW_PROBLEMS,
    )
    async def check(request: Request, task: str) -> Response:
        """Would the gate let these rows be learnt from? Nothing is recorded and no budget is spent."""
        context = await place.catalogue.by_name(task)
        body = await read_body(request, RowsRequest)
        features, event_times_us, data_subjects = arrivals_of(context, body.rows, place.keys, place.clock.now_us())
        serving = await place.catalogue.production(context.task)
        opinion = doubt_of(serving, features, serving.proposer.probabilities(features))
        outside = widths_outside(context.task.schema, features)
        n, hours = len(features), hours_of(event_times_us)
        before = [0] * n
        if context.task.data_subject_column is not None:
            stored = await place.store.rows_per_hour(context.task.task_id, list(set(data_subjects)), sorted(set(hours)))
            before = counted_before(data_subjects, hours, stored)
        rows = InputRows(
            dissonances=opinion.dissonances,
            doubts=1.0 - opinion.confidences,
            erased=np.zeros(n, dtype=bool),
            fits_schema=np.ones(n, dtype=bool),
            widths_outside=outside.max(axis=1, initial=0.0),
            rows_before=np.array(before, dtype=np.int64),
            event_times_us=np.array(event_times_us, dtype=np.int64),
        )
        spent = await place.store.budget_spent(context.task.task_id, sorted(set(hours)))
        verdicts, reasons = judge_inputs(rows, context.policy, spent)
        names = np.array(context.task.schema.names)
        checks = [
            Check(verdict, reason, 1.0 - c, d, names[fields].tolist())
            for verdict, reason, c, d, fields in zip(
                verdicts,
                reasons,
                opinion.confidences.tolist(),
                opinion.dissonances.tolist(),
                outside > 0.0,
                strict=True,
            )
        ]
        return json_reply(CheckReply(task, context.policy.version, checks))

    @router.protected(
        "GET",
        "/v1/tasks/{task}/updates",
        permission=Permission.UPDATES,
        reply=UpdatesReply,
        problems=(UnknownTask, EngineUnavailable),
    )
    async def updates(request: Request, task: str) -> Response:
        """How updates were judged, with every rule's numbers, and what became of them; newest first."""
        task_id = (await place.catalogue.by_name(task)).task.task_id
        return json_reply(await updates_of(place.store, task_id, task))

    @router.protected(
        "GET",
        "/v1/tasks/{task}/decisions",
        permission=Permission.DECISIONS,
        reply=DecisionsReply,
        problems=(UnknownTask, InputError, EngineUnavailable),
    )
    async def decisions(
        request: Request,
        task: str,
        limit: Annotated[int, Query(ge=1, le=MOST_DECISIONS)] = 100,
        kind: Annotated[list[str] | None, Query()] = None,
        version: int | None = None,
        start: Annotated[str | None, Query(alias="from")] = None,
        end: Annotated[str | None, Query(alias="to")] = None,
    ) -> Response:
        """What was decided about models, by whom and why; newest first."""
        asked = wanted(kind or [], version, start, end)
        task_id = (await place.catalogue.by_name(task)).task.task_id
        listed = await place.store.decisions(task_id, asked, limit)
        return json_reply(DecisionsReply(task, [decision_line(kept) for kept in listed]))

    @router.protected(
        "GET",
        "/v1/tasks/{task}/decisions/{decision_id}",
        permission=Permission.DECISIONS,
        reply=DecisionReply,
        problems=(UnknownTask, UnknownDecision, EngineUnavailable),
    )
    async def decision(request: Request, task: str, decision_id: str) -> Response:
        """One decision: the signed bundle of all that it rests on. The first digits of its id will do."""
        context = await place.catalogue.by_name(task)
        kept = await find_decision(place.store, context.task, decision_id)
        return json_reply(decision_reply(task, kept, place.verification_key))

    return router
