"""HTTP of the gate: what it would say, without saying it."""

from __future__ import annotations

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from dissonance.contracts.api import Check, CheckReply, RowsRequest
from dissonance.decisions.inputs import InputRows, hours_of, judge_inputs
from dissonance.decisions.rows import out_of_range
from dissonance.roles.arrivals import ROW_PROBLEMS, arrivals_of
from dissonance.roles.role import Workplace
from dissonance.roles.serving import doubt_of
from dissonance.security.permissions import Permission
from dissonance.web.bodies import json_reply, read_body
from dissonance.web.routes import ProtectedRouter


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
        features, event_times_us, _ = arrivals_of(context, body.rows, place.keys, place.clock.now_us())
        serving = await place.catalogue.production(context.task)
        opinion = doubt_of(serving, features, serving.proposer.probabilities(features))
        outside = out_of_range(context.task.schema, features)
        n = len(features)
        rows = InputRows(
            dissonances=opinion.dissonances,
            erased=np.zeros(n, dtype=bool),
            fits_schema=np.ones(n, dtype=bool),
            out_of_range=np.asarray(outside.any(axis=1)),
            event_times_us=np.array(event_times_us, dtype=np.int64),
        )
        spent = await place.store.budget_spent(context.task.task_id, sorted(set(hours_of(event_times_us))))
        verdicts, reasons = judge_inputs(rows, context.policy, spent)
        names = np.array(context.task.schema.names)
        checks = [
            Check(verdict, reason, 1.0 - c, d, names[fields].tolist())
            for verdict, reason, c, d, fields in zip(
                verdicts, reasons, opinion.confidences.tolist(), opinion.dissonances.tolist(), outside, strict=True
            )
        ]
        return json_reply(CheckReply(task, context.policy.version, checks))

    return router
