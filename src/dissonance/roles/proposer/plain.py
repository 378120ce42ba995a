"""A plain `predict` request, from its bytes to the bytes of the answer: what the load is made of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import NoReturn

import msgspec
from starlette.types import Scope

from dissonance.contracts.api import RowsRequest
from dissonance.decisions.json_rows import Values
from dissonance.errors import InputError
from dissonance.roles.arrivals import arrivals_of, data_subjects, event_times, require_row_count
from dissonance.roles.catalogue import TaskContext
from dissonance.roles.proposer.ask import Answered, Ask, IdempotencyKey, Outcome
from dissonance.roles.proposer.handle import Proposer
from dissonance.roles.proposer.keys import idempotency_key
from dissonance.roles.proposer.replies import predict_reply
from dissonance.roles.role import Workplace
from dissonance.roles.serving import Serving
from dissonance.web.bodies import decoded
from dissonance.web.routes import MakesReply, Takes

_encode = msgspec.json.Encoder().encode


class PlainPredict:
    """`web.routes.DirectHandler` of `predict`."""

    def __init__(self, place: Workplace, proposer: Proposer) -> None:
        self._place = place
        self._proposer = proposer
        self._fetching: set[asyncio.Task[bytes]] = set()

    def __call__(self, task: str) -> Takes | None:
        context = self._place.catalogue.at_hand(task)
        return None if context is None else partial(self._take, context)

    def _take(self, context: TaskContext, scope: Scope, body: bytes, answer: Callable[[MakesReply], None]) -> None:
        ask = self._ask(context, body, idempotency_key(scope, context, body))
        self._proposer.put(ask, partial(self._on_outcome, ask, answer))

    def _on_outcome(self, ask: Ask, answer: Callable[[MakesReply], None], outcome: Outcome | BaseException) -> None:
        if isinstance(outcome, BaseException):
            answer(partial(_refuse, outcome))
            return
        serving = self._place.catalogue.serving_at_hand(ask.context.task, outcome.model_digest)
        if serving is not None:
            answer(partial(self._reply, ask, outcome, serving))
            return
        fetching = asyncio.ensure_future(self._reply_later(ask, outcome))
        self._fetching.add(fetching)
        fetching.add_done_callback(self._fetching.discard)
        fetching.add_done_callback(lambda fetched: answer(fetched.result))

    def _reply(self, ask: Ask, answered: Answered, serving: Serving) -> bytes:
        return _encode(predict_reply(ask.context, serving, answered))

    async def _reply_later(self, ask: Ask, answered: Answered) -> bytes:
        """Of a model that is not loaded: an idempotency key is from its time."""
        serving = await self._place.catalogue.serving(ask.context.task, answered.model_digest)
        return self._reply(ask, answered, serving)

    def _ask(self, context: TaskContext, body: bytes, key: IdempotencyKey | None) -> Ask:
        """Raises an `InputError` that names row and field; of a value, the encoding of the batch does."""
        now_us = self._place.clock.now_us()
        values = context.json_rows.read(body)
        if values is not None:
            try:
                return self._quick_ask(context, values, key, now_us)
            except InputError:
                pass  # of several things that are wrong the closer look below names the one that it always names
        return Ask(context, *arrivals_of(context, decoded(body, RowsRequest).rows, self._place.keys, now_us), key)

    def _quick_ask(
        self, context: TaskContext, values: Sequence[Values], key: IdempotencyKey | None, now_us: int
    ) -> Ask:
        n, task, column = len(values), context.task, context.json_rows.column
        require_row_count(context, n)
        times, people = column(values, task.time_column), column(values, task.data_subject_column)
        return Ask(
            context,
            None,
            event_times(task, times, n, now_us),
            data_subjects(task, people, n, self._place.keys, now_us),
            key,
            values,
        )


def _refuse(error: BaseException) -> NoReturn:
    raise error
