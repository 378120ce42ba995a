"""A plain `predict` request, from its bytes to the bytes of the answer: what the load is made of."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import cache

import msgspec
from starlette.types import Scope

from dissonance.contracts.api import RowsRequest
from dissonance.decisions.json_rows import Values
from dissonance.errors import InputError
from dissonance.roles.arrivals import arrivals_of, data_subjects, event_times, require_row_count
from dissonance.roles.catalogue import TaskContext
from dissonance.roles.proposer.ask import Ask, IdempotencyKey
from dissonance.roles.proposer.handle import Proposer
from dissonance.roles.proposer.keys import idempotency_key
from dissonance.roles.proposer.replies import predict_reply
from dissonance.roles.role import Workplace
from dissonance.web.bodies import decoded

_encode = msgspec.json.Encoder().encode


class PlainPredict:
    """`web.routes.DirectHandler` of `predict`."""

    def __init__(self, place: Workplace, proposer: Proposer) -> None:
        self._place = place
        self._proposer = proposer
        self._rows_predicted = cache(place.metrics.rows_predicted.labels)

    async def __call__(self, scope: Scope, body: bytes) -> bytes:
        task = scope["path_params"]["task"]
        context = await self._place.catalogue.by_name(task)
        ask = self._ask(context, body, idempotency_key(scope, context, body))
        answered = await self._proposer.answer(ask)
        serving = await self._place.catalogue.serving(context.task, answered.model_digest)
        self._rows_predicted(task).inc(ask.rows)
        return _encode(predict_reply(context, serving, answered))

    def _ask(self, context: TaskContext, body: bytes, key: IdempotencyKey | None) -> Ask:
        """Raises an `InputError` that names row and field; of a value, the encoding of the batch does."""
        now_us = self._place.clock.now_us()
        values = context.json_rows.read(body)
        if values is not None:
            # Of several things that are wrong the closer look below names the one that it always names.
            with suppress(InputError):
                return self._quick_ask(context, values, key, now_us)
        return Ask(context, *arrivals_of(context, decoded(body, RowsRequest).rows, self._place.keys, now_us), key)

    def _quick_ask(
        self, context: TaskContext, values: Sequence[Values], key: IdempotencyKey | None, now_us: int
    ) -> Ask:
        n, task = len(values), context.task
        require_row_count(context, n)
        times, people = (
            None if name is None else [row[context.json_rows.position(name)] for row in values]
            for name in (task.time_column, task.data_subject_column)
        )
        return Ask(
            context,
            None,
            event_times(task, times, n, now_us),
            data_subjects(task, people, n, self._place.keys, now_us),
            key,
            values,
        )
