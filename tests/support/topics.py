"""A bus that tells of inputs and labels, in memory and on a real broker, and what a source must make of them."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest

from dissonance.contracts.events import PRODUCTION_ARM, Judged, Labelled
from dissonance.contracts.ids import IdSource
from dissonance.contracts.schema import Task
from dissonance.contracts.sealed import SealedRow
from dissonance.contracts.verdicts import Reason, Verdict
from dissonance.pipeline.flow.incoming import wanted_columns
from dissonance.pipeline.flow.sources.topic_rows import TopicRows
from dissonance.security.rows import label_row_id, seal_rows
from support.bus import NatsServer, connect
from support.distributions import labelled_rows
from support.workshop import Workshop, small_task

SURE = np.array([0.999, 0.001])


class Read(NamedTuple):
    """`expected`: data subject's hash, features and class of each row that is to be read."""

    task: Task
    table: pa.Table
    expected: list[tuple[bytes, list[float], int]]


@dataclasses.dataclass
class TopicStand:
    folder: Path
    server: NatsServer | None = None

    async def tell_and_read(self) -> Read:
        work, task = await asyncio.to_thread(small_task, 400)
        bus: Any = work.bus if self.server is None else await connect(self.server.url)
        desk = work._replace(bus=bus)
        try:
            judged, labels, expected = await _events(desk, task)
            await bus.publish([judged, *labels])
            return Read(task, await TopicRows(desk, task).read(wanted_columns(task)), expected)
        finally:
            if self.server is not None:
                await bus.close()

    def close(self) -> None:
        if self.server is not None:
            self.server.stop()


def memory_stand(request: pytest.FixtureRequest) -> TopicStand:
    return TopicStand(request.getfixturevalue("tmp_path"))


def jetstream_stand(request: pytest.FixtureRequest) -> TopicStand:
    folder: Path = request.getfixturevalue("tmp_path")
    server = NatsServer(folder)
    server.start()
    return TopicStand(folder, server)


async def _events(desk: Workshop, task: Task) -> tuple[Judged, list[Labelled], list[tuple[bytes, list[float], int]]]:
    """Seven inputs. 0, 1: labelled; 1 twice, later the other way. 2: blocked. 3: without a label. 4: label withdrawn.
    5: a label that both models are sure is wrong. 6: such a one at its second look."""
    features, _ = labelled_rows(7, 3)
    ids = IdSource(desk.clock, desk.randomness).many(7)
    people = [desk.keys.data_subject_hash(task.task_id, f"told-{number}") for number in range(7)]
    keys = await desk.keys.obtain(task.task_id, people)
    sure = SURE.tobytes()
    rows = [SealedRow(features=row.tobytes(), probabilities=sure, critic=sure) for row in features]
    now_us = desk.clock.now_us()
    judged = Judged(
        event_id="judged",
        task_id=task.task_id,
        produced_at_us=now_us,
        producer="gate",
        prediction_ids=ids,
        data_subjects=people,
        event_times_us=[now_us] * 7,
        processing_times_us=[now_us] * 7,
        sealed=seal_rows(keys, task.task_id, ids, people, rows, desk.randomness),
        model_digest="a" * 64,
        policy_digest="b" * 64,
        canary_arms=[PRODUCTION_ARM] * 7,
        propensities=[1.0] * 7,
        confidences=[0.8] * 7,
        dissonances=[0.0] * 7,
        critic_digest="c" * 64,
        verdicts=[Verdict.BLOCKED if number == 2 else Verdict.ADMITTED for number in range(7)],
        reasons=[Reason.AGREED] * 7,
        policy_version=1,
    )

    def labelled(name: str, positions: list[int], classes: list[int], at_us: int, again: bool = False) -> Labelled:
        chosen = [ids[i] for i in positions]
        whose = [people[i] for i in positions]
        truths = [SealedRow(features=b"", label=label) for label in classes]
        sealed = seal_rows(keys, task.task_id, [label_row_id(i) for i in chosen], whose, truths, desk.randomness)
        return Labelled(
            event_id=name,
            task_id=task.task_id,
            produced_at_us=now_us,
            producer="learner",
            prediction_ids=chosen,
            data_subjects=whose,
            labelled_at_us=[at_us] * len(chosen),
            sealed=sealed,
            source="a test",
            second_look=again,
        )

    events = [
        labelled("later", [1], [0], now_us + 2),
        labelled("first", [0, 1, 2, 4, 5], [0, 1, 0, 0, 1], now_us + 1),
        labelled("withdrawn", [4], [-1], now_us + 2),
        labelled("second look", [6], [1], now_us + 1, again=True),
    ]
    expected = [(people[i], features[i].tolist(), label) for i, label in ((0, 0), (1, 0), (6, 1))]
    return judged, events, expected
