"""A store of as many data subjects as are asked for, each with a row sealed as the roles seal theirs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle, islice

import msgspec
import numpy as np

from dissonance.bootstrap import System
from dissonance.contracts.api import RowsRequest
from dissonance.contracts.events import PRODUCTION_ARM, Judged
from dissonance.contracts.ids import IdSource
from dissonance.contracts.schema import Task
from dissonance.contracts.sealed import SealedRow
from dissonance.contracts.verdicts import Reason, Verdict
from dissonance.decisions.rows import RowEncoder
from dissonance.drills import census
from dissonance.ports.labels import LabelRows
from dissonance.security.rows import label_row_id, seal_rows

CHUNK_PEOPLE = 10_000
DIFFERENT_ROWS = 2_000
APART_US = 1_000
"""Microseconds of event time from one person's row to the next one's."""

FRESH_EVERY = 2
"""Every so manieth request of the load is about somebody never seen before, for whom a key must be made."""

STRIDE = 7_919
"""The others are about people of the store, so many further on each time: a prime, so that all have their turn."""


def name_of(number: int) -> str:
    return f"stored-{number}"


class Requests:
    """One row a request: about somebody new, or somebody of the store."""

    def __init__(self, people: int) -> None:
        self._records, _ = census.traffic(DIFFERENT_ROWS)
        self._people = people

    def body(self, number: int) -> bytes:
        person = f"fresh-{number}" if number % FRESH_EVERY else name_of(number * STRIDE % self._people)
        row = {**self._records[number % len(self._records)], census.PERSON: person}
        return msgspec.json.encode(RowsRequest([row]))


async def fill(
    system: System, task: Task, digest: str, people: int, labelled: frozenset[int], tell: Callable[[int], None]
) -> None:
    """Through the store's own way in for many rows, in the place of requests; `labelled` people have a label too.
    `digest`: of the model that is said to have answered."""
    records, classes = census.traffic(DIFFERENT_ROWS)
    matrix = RowEncoder(task.schema, (task.data_subject_column,)).encode(records)
    halves = np.full(len(task.classes), 1 / len(task.classes)).tobytes()
    rows = [SealedRow(features=each.tobytes(), probabilities=halves, critic=halves) for each in matrix]
    ids = IdSource(system.clock, system.randomness)
    begun_us = system.clock.now_us() - people * APART_US
    for start in range(0, people, CHUNK_PEOPLE):
        numbers = range(start, min(start + CHUNK_PEOPLE, people))
        hashes = system.keys.data_subject_hashes(task.task_id, [name_of(number) for number in numbers])
        made = ids.many(len(numbers))
        chosen = list(islice(cycle(rows), start % len(rows), start % len(rows) + len(numbers)))
        keys = await system.keys.obtain(task.task_id, hashes)
        sealed = seal_rows(keys, task.task_id, made, hashes, chosen, system.randomness)
        times_us = [begun_us + number * APART_US for number in numbers]
        await system.store.record([_judged(system, task, digest, made, hashes, times_us, sealed)])
        here = [number - start for number in numbers if number in labelled]
        if here:
            labels = [classes[(start + position) % len(classes)] for position in here]
            await _label(system, task, keys, [made[i] for i in here], [hashes[i] for i in here], labels)
        tell(len(numbers))


def _judged(
    system: System,
    task: Task,
    digest: str,
    ids: list[bytes],
    people: list[bytes],
    times_us: list[int],
    sealed: list[bytes],
) -> Judged:
    now_us = system.clock.now_us()
    return Judged(
        event_id=ids[0].hex(),
        task_id=task.task_id,
        produced_at_us=now_us,
        producer="drill",
        prediction_ids=ids,
        data_subjects=people,
        event_times_us=times_us,
        processing_times_us=[now_us] * len(ids),
        sealed=sealed,
        model_digest=digest,
        policy_digest="0" * 64,
        canary_arms=[PRODUCTION_ARM] * len(ids),
        propensities=[1.0] * len(ids),
        confidences=[0.75] * len(ids),
        dissonances=[0.125] * len(ids),
        critic_digest="0" * 64,
        verdicts=[Verdict.ADMITTED] * len(ids),
        reasons=[Reason.AGREED] * len(ids),
        policy_version=1,
    )


async def _label(
    system: System,
    task: Task,
    keys: dict[bytes, bytes],
    ids: Sequence[bytes],
    people: Sequence[bytes],
    classes: Sequence[int],
) -> None:
    label_ids = [label_row_id(each) for each in ids]
    labels = [SealedRow(features=b"", label=each) for each in classes]
    rows = LabelRows(
        prediction_ids=list(ids),
        sealed=seal_rows(keys, task.task_id, label_ids, people, labels, system.randomness),
        labelled_at_us=[system.clock.now_us()] * len(ids),
        right=[True] * len(ids),
        critic_right=[True] * len(ids),
        shadow_right=[None] * len(ids),
        learnable=[True] * len(ids),
        source="drill",
    )
    await system.store.add_labels(task.task_id, rows)
