"""Which of the inputs just stored people are asked about, under the label budget of the policy (ADR 24)."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Sequence
from math import ceil, inf
from typing import NamedTuple

import numpy as np

from dissonance.contracts.events import Judged
from dissonance.contracts.policy import Policy
from dissonance.contracts.verdicts import Reason
from dissonance.ports.clock import Clock
from dissonance.ports.labels import AskedAs, LabelRequest
from dissonance.ports.store import Store
from dissonance.roles.catalogue import Catalogue
from dissonance.science.sampling import (
    LeastSure,
    Spending,
    chosen_only,
    least_sure,
    propensities,
    rank_of_least_sure,
    spending,
    sureness,
)
from dissonance.telemetry.logs import log
from dissonance.telemetry.names import LogAction

DAY_US = 86_400_000_000
LOOK_BACK_DAYS = 7
"""Days of event time whose traffic says what to expect of a day."""

READ_AGAIN_AT = 0.1
"""On the first day what to expect is read again when so much more has come, as a share of what had."""

DAYS_KEPT = 64
NOT_CHOSEN = frozenset({Reason.ERASED, Reason.SCHEMA, Reason.OUTLIER, Reason.BURST})
"""Suspected poison, or nothing to show: only the random check may fall on them, erased ones apart."""

_logger = logging.getLogger(__name__)


class Traffic(NamedTuple):
    """What to expect of a day: inputs, and which of them are the least sure ones. `spent`: what this rests on."""

    inputs: float
    spent: Spending
    least_sure: LeastSure


class _Expected(NamedTuple):
    """`good_for` so many inputs more: without end once there is a day before, else until a tenth more has come."""

    traffic: Traffic
    good_for: float


class _Input(NamedTuple):
    prediction_id: bytes
    data_subject: bytes
    event_time_us: int
    confidence: float
    reason: Reason


class Asking:
    """Safe to call again with the same rows: the same ones are drawn, and a request is kept once."""

    def __init__(self, catalogue: Catalogue, store: Store, clock: Clock) -> None:
        self._catalogue = catalogue
        self._store = store
        self._clock = clock
        self._known: dict[tuple[str, int], _Expected] = {}

    async def about(self, task_id: str, judged: Sequence[Judged]) -> int:
        """Draw among these rows and put the requests into the queue; how many were new. Raises `EngineUnavailable`."""
        policy = (await self._catalogue.by_id(task_id)).policy
        if not policy.label_budget_per_day:
            return 0
        by_day: dict[int, list[_Input]] = {}
        for each in _inputs(judged):
            by_day.setdefault(each.event_time_us // DAY_US, []).append(each)
        asked = await self._store.asked_on(task_id, sorted(by_day))
        requests: list[LabelRequest] = []
        for day, inputs in sorted(by_day.items()):
            traffic = await self._expected(task_id, day, inputs, policy)
            left = max(0, policy.label_budget_per_day - asked.get(day, 0))
            requests += self._drawn(task_id, inputs, traffic)[:left]
        new = await self._store.ask(task_id, requests)
        if new:
            log(_logger, LogAction.LABELS_ASKED, task_id=task_id, requests=new)
        return new

    def _drawn(self, task_id: str, inputs: Sequence[_Input], traffic: Traffic) -> list[LabelRequest]:
        sure = sureness(np.array([each.confidence for each in inputs]))
        drawn = propensities(sure, traffic.spent, traffic.inputs, traffic.least_sure)
        chosen = chosen_only(drawn)
        requests = []
        for i, each in enumerate(inputs):
            if each.reason is Reason.ERASED:
                continue
            in_check = permanent_number(task_id, "random check", each.prediction_id) < drawn.random[i]
            may_be_chosen = each.reason not in NOT_CHOSEN
            if in_check or (may_be_chosen and permanent_number(task_id, "choice", each.prediction_id) < chosen[i]):
                requests.append(
                    LabelRequest(
                        request_id=each.prediction_id,
                        prediction_id=each.prediction_id,
                        data_subject=each.data_subject,
                        asked_as=AskedAs.RANDOM_CHECK if in_check else AskedAs.CHOSEN,
                        propensity=float(drawn.asked[i] if may_be_chosen else drawn.random[i]),
                        random_propensity=float(drawn.random[i]),
                        event_time_us=each.event_time_us,
                        asked_at_us=self._clock.now_us(),
                    )
                )
        return requests

    async def _expected(self, task_id: str, day: int, inputs: Sequence[_Input], policy: Policy) -> Traffic:
        """From the days before, read once a day and policy; on the first day from how fast inputs come."""
        spent = spending(
            policy.label_budget_per_day,
            random_share=policy.random_check_share,
            accuracy_share=policy.least_sure_share,
        )
        known = self._known.get((task_id, day))
        if known is None or known.traffic.spent != spent or known.good_for <= len(inputs):
            known = await self._read(task_id, day * DAY_US, inputs, spent)
            self._known[task_id, day] = known
            while len(self._known) > DAYS_KEPT:
                self._known.pop(next(iter(self._known)))
        else:
            self._known[task_id, day] = known._replace(good_for=known.good_for - len(inputs))
        return known.traffic

    async def _read(self, task_id: str, start_us: int, inputs: Sequence[_Input], spent: Spending) -> _Expected:
        """A whole day costs what it holds to read, so that the first is not read for every batch."""
        from_us = start_us - LOOK_BACK_DAYS * DAY_US
        if not (await self._store.figures(task_id, from_us, start_us, 1.0)).rows:
            elapsed = max((max(each.event_time_us for each in inputs) - start_us + 1) / DAY_US, 1 / 24)
            traffic = await self._traffic_of(task_id, start_us, start_us + DAY_US, elapsed, spent)
            return _Expected(traffic, int(READ_AGAIN_AT * traffic.inputs * elapsed))
        oldest_us = await self._store.nth_event_time_us(task_id, from_us, 1)
        days = LOOK_BACK_DAYS if oldest_us is None else max(1.0, (start_us - oldest_us) / DAY_US)
        return _Expected(await self._traffic_of(task_id, from_us, start_us, days, spent), inf)

    async def _traffic_of(self, task_id: str, from_us: int, to_us: int, days: float, spent: Spending) -> Traffic:
        """Of a day, from the rows of a stretch that is `days` long."""
        rows = max(1, (await self._store.figures(task_id, from_us, to_us, 1.0)).rows)
        expected = rows / days
        rank = min(rows, ceil(rank_of_least_sure(spent) * days))
        found = await self._store.least_sure(task_id, from_us, to_us, rank) if rank else None
        at, up_to = (found.at, found.rows / days) if found else (1.0, expected)
        return Traffic(expected, spent, least_sure(spent, expected, at, up_to))


def permanent_number(task_id: str, purpose: str, prediction_id: bytes) -> float:
    """A number in [0, 1) that stays with a prediction: uniform over predictions, independent between purposes."""
    digest = hashlib.blake2b(prediction_id, digest_size=8, key=task_id.encode(), person=purpose.encode()[:16]).digest()
    return int.from_bytes(digest) / 2**64


def _inputs(judged: Sequence[Judged]) -> Iterable[_Input]:
    for event in judged:
        for row in zip(
            event.prediction_ids,
            event.data_subjects,
            event.event_times_us,
            event.confidences,
            event.reasons,
            strict=True,
        ):
            yield _Input(*row)
