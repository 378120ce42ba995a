"""The label queue as people use it: take requests, answer, skip, return, ask by hand, and see where it stands."""

from __future__ import annotations

import uuid

import numpy as np

from dissonance.contracts.api import Label, LabelsRequest
from dissonance.contracts.events import Labelled
from dissonance.contracts.ids import id_text
from dissonance.contracts.label_api import AnswerRequest, LeasedRequest, QueueReply
from dissonance.contracts.policy import Policy
from dissonance.contracts.schema import Task
from dissonance.contracts.times import EARLIEST_US, to_text
from dissonance.contracts.verdicts import Verdict
from dissonance.decisions.decoding import decode_row
from dissonance.errors import InputError, RequestNotHeld, UnknownRequest
from dissonance.ports.desk import Desk
from dissonance.ports.labels import AskedAs, LabelRequest, RequestState
from dissonance.roles.learner.intake import SECOND_US, labelled
from dissonance.security.rows import features_matrix, open_rows

DAY_US = 86_400_000_000
MOST_LEASED = 1_000
POOL = 5_000
"""Newest inputs without a label among which the most doubtful are asked about by hand."""

MOST_READ = 16 * POOL
"""Newest inputs that are looked through for them."""


async def lease(desk: Desk, task: Task, policy: Policy, count: int, by: str) -> list[LeasedRequest]:
    """Up to `count` requests for `by`, with the row that the model saw.

    A request about an erased data subject is skipped by itself; one whose input is not stored yet goes back.
    """
    if not 1 <= count <= MOST_LEASED:
        raise InputError(f"{count} requests at once", where="count", fix=f"take 1 to {MOST_LEASED}")
    now_us = desk.clock.now_us()
    taken = await desk.store.lease(
        task.task_id, count, by=by, now_us=now_us, until_us=now_us + policy.label_lease_s * SECOND_US
    )
    stored = await desk.store.find(task.task_id, [each.prediction_id for each in taken])
    early = [each.request_id for each in taken if each.prediction_id not in stored]
    await desk.store.settle(task.task_id, early, RequestState.OPEN)
    there = [each for each in taken if each.prediction_id in stored]
    keys = await desk.keys.find(task.task_id, list({each.data_subject for each in there}))
    rows = open_rows(
        keys,
        task.task_id,
        [each.prediction_id for each in there],
        [each.data_subject for each in there],
        [stored[each.prediction_id].sealed for each in there],
    )
    erased = [each.request_id for each, row in zip(there, rows, strict=True) if row is None]
    await desk.store.settle(task.task_id, erased, RequestState.SKIPPED)
    width = len(task.schema.features)
    return [
        LeasedRequest(
            request_id=id_text(each.request_id),
            prediction_id=id_text(each.prediction_id),
            asked_as=each.asked_as.value,
            event_time=to_text(each.event_time_us),
            leased_until=to_text(each.leased_until_us),
            row=decode_row(task.schema, features_matrix([row], width)[0].tolist()),
        )
        for each, row in zip(there, rows, strict=True)
        if row is not None
    ]


async def answer(
    desk: Desk, task: Task, policy: Policy, request_id: str, body: AnswerRequest, by: str
) -> tuple[LabelRequest, Labelled]:
    """The request, and the label to publish; `settle` it when that is durable. Raises what `labelled` does."""
    request = await held(desk, task, request_id, by)
    label = Label(id_text(request.prediction_id), body.label, body.labelled_at)
    event = await labelled(
        desk,
        task,
        policy,
        LabelsRequest([label], source=by if by.isprintable() else "label request"),
        second_look=request.asked_as is AskedAs.SECOND_LOOK,
    )
    return request, event


async def held(desk: Desk, task: Task, request_id: str, by: str) -> LabelRequest:
    """The request, if `by` holds it and its lease lasts. Raises `UnknownRequest` or `RequestNotHeld`."""
    try:
        number = uuid.UUID(request_id).bytes
    except ValueError as error:
        raise UnknownRequest(
            "not the id of a label request", where="request_id", fix="give it as the lease named it"
        ) from error
    request = await desk.store.request(task.task_id, number)
    if request is None:
        raise UnknownRequest(
            f"there is no label request {request_id}", where="request_id", fix="lease one: label-requests/lease"
        )
    if (refusal := _not_held(request, by, desk.clock.now_us())) is not None:
        raise refusal
    return request


async def put_down(desk: Desk, task: Task, request_id: str, by: str, state: RequestState) -> None:
    """Skip or return a request that `by` holds. Raises as `held`, also when the lease went to another just now."""
    request = await held(desk, task, request_id, by)
    if not await desk.store.settle(task.task_id, [request.request_id], state, by=by):
        await held(desk, task, request_id, by)


def _not_held(request: LabelRequest, by: str, now_us: int) -> RequestNotHeld | None:
    if request.state in (RequestState.ANSWERED, RequestState.SKIPPED):
        what = f"the request is {request.state.value}"
        return RequestNotHeld(what, where="request_id", fix="nothing is left to do; a label is corrected by /labels")
    if request.state is RequestState.OPEN or request.leased_until_us <= now_us:
        return RequestNotHeld(
            "nobody holds the request, or the lease ran out", where="request_id", fix="lease it again"
        )
    if request.leased_by != by:
        return RequestNotHeld("somebody else holds the request", where="request_id", fix="lease another")
    return None


async def ask_by_hand(desk: Desk, task: Task, count: int) -> int:
    """Ask about the `count` most doubtful of the newest admitted inputs that have no label; how many were new."""
    latest_us = await desk.store.latest_event_time_us(task.task_id)
    if latest_us is None:
        return 0
    rows = await _newest(desk, task, latest_us)
    known = {each.prediction_id for each in await desk.store.requests_for(task.task_id, [row for row, *_ in rows])}
    free = [row for row in rows if row[0] not in known]
    doubts = np.array([doubt for *_, doubt in free])
    return await desk.store.ask(
        task.task_id,
        [
            LabelRequest(
                request_id=prediction_id,
                prediction_id=prediction_id,
                data_subject=data_subject,
                asked_as=AskedAs.BY_HAND,
                propensity=0.0,
                random_propensity=0.0,
                event_time_us=event_time_us,
                asked_at_us=desk.clock.now_us(),
            )
            for prediction_id, data_subject, event_time_us, _ in (free[i] for i in np.argsort(-doubts)[:count])
        ],
    )


async def _newest(desk: Desk, task: Task, latest_us: int) -> list[tuple[bytes, bytes, int, float]]:
    """Id, data subject, event time and doubt of the newest admitted rows without a label: ever more until enough."""
    count = POOL
    while True:
        rows = await desk.store.between(task.task_id, EARLIEST_US, latest_us + 1, newest=count)
        free = [
            (row.prediction_id, row.data_subject, row.event_time_us, 1.0 - row.confidence)
            for row in rows
            if row.label_sealed is None and row.verdict is Verdict.ADMITTED
        ]
        if len(free) >= POOL or len(rows) < count or count >= MOST_READ:
            return free[-POOL:]
        count *= 4


async def queue_status(desk: Desk, task: Task, policy: Policy) -> QueueReply:
    counts = await desk.store.queue_counts(task.task_id, desk.clock.now_us())
    figures = await desk.store.label_figures(task.task_id)
    stored = await desk.store.counts(task.task_id)
    latest_us = await desk.store.latest_event_time_us(task.task_id)
    day = None if latest_us is None else latest_us // DAY_US
    asked = {} if day is None else await desk.store.asked_on(task.task_id, [day])
    rows = stored.admitted + stored.blocked
    return QueueReply(
        task=task.name,
        by_state={state.value: counts.by_state.get(state, 0) for state in RequestState},
        by_reason={reason.value: counts.by_reason.get(reason, 0) for reason in AskedAs},
        budget_per_day=policy.label_budget_per_day,
        day=None if day is None else to_text(day * DAY_US)[:10],
        asked_today=0 if day is None else asked.get(day, 0),
        labels=figures.joined,
        learnable=figures.learnable,
        waiting_for_second_look=figures.waiting,
        withdrawn=figures.withdrawn,
        coverage=figures.joined / rows if rows else 0.0,
        latest_label_at=None if figures.latest_labelled_at_us is None else to_text(figures.latest_labelled_at_us),
    )
