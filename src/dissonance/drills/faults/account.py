"""Where every request went: what was acknowledged is stored once, and nothing is stored that nobody asked for."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import NamedTuple

from dissonance.contracts.ids import id_from_text
from dissonance.drills.faults.load import Answer
from dissonance.drills.faults.traffic import STEP_US, Requests
from dissonance.ports.store import Store

SLICE = 5_000
"""Requests whose rows are read at once."""

LOOK_EVERY_S = 0.5
STILL_S = 40.0
"""Seconds without any progress after which waiting ends, and the account tells what is missing."""


class Stored(NamedTuple):
    event_time_us: int
    prediction_id: bytes


class Account(NamedTuple):
    """`lost`, `doubled`: numbers of requests. `invented`: rows of no request, or of an id that nobody was told though
    the request was answered. `unanswered`: rows of requests that their client gave up, which is no harm."""

    acknowledged: int
    stored: int
    lost: list[int]
    doubled: list[int]
    invented: int
    unanswered: int


def settle(
    answers: Sequence[Answer | None], stored: Iterable[Stored], number_of: Callable[[int], int | None]
) -> Account:
    """`number_of`: the request of an event time."""
    found: dict[int, list[bytes]] = defaultdict(list)
    rows = invented = 0
    for row in stored:
        rows += 1
        number = number_of(row.event_time_us)
        if number is None or number >= len(answers):
            invented += 1
        else:
            found[number].append(row.prediction_id)
    lost, doubled, unanswered = [], [], 0
    told: dict[bytes, int] = {}
    for number, answer in enumerate(answers):
        ids = found.get(number, [])
        if answer is None or not answer.ok:
            unanswered += len(ids)
            doubled += [number] * (len(ids) > 1)
            continue
        prediction_id = id_from_text(answer.prediction_id)
        lost += [number] * (prediction_id not in ids)
        doubled += [number] * (len(ids) > 1 or told.setdefault(prediction_id, number) != number)
        invented += sum(each != prediction_id for each in ids)
    acknowledged = sum(answer is not None and answer.ok for answer in answers)
    return Account(acknowledged, rows, lost, doubled, invented, unanswered)


async def drained(
    store: Store, task_id: str, expected: int, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> None:
    """Returns when so many rows are stored, or when none came for `STILL_S`."""
    seen, still_s = -1, 0.0
    while still_s < STILL_S:
        counts = await store.counts(task_id)
        rows = counts.admitted + counts.blocked
        if rows >= expected:
            return
        still_s = still_s + LOOK_EVERY_S if rows == seen else 0.0
        seen = rows
        await sleep(LOOK_EVERY_S)


async def account(store: Store, task_id: str, requests: Requests, answers: Sequence[Answer | None]) -> Account:
    """Reads every row of the task. Raises `EngineUnavailable`."""
    rows: list[Stored] = []
    for start in range(0, len(answers), SLICE):
        start_us = requests.event_time_us(start)
        part = await store.between(task_id, start_us, start_us + SLICE * STEP_US)
        rows += [Stored(each.event_time_us, each.prediction_id) for each in part]
    counts = await store.counts(task_id)
    settled = settle(answers, rows, requests.number)
    elsewhere = max(0, counts.admitted + counts.blocked - len(rows))
    return settled._replace(stored=settled.stored + elsewhere, invented=settled.invented + elsewhere)
