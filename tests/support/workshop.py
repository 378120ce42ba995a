"""A workshop of doubles, small data files, and labelled experience to retrain on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pandas
from numpy.typing import NDArray

from dissonance.adapters.memory.anchors import MemoryAnchors
from dissonance.adapters.memory.bus import MemoryBus
from dissonance.adapters.memory.clock import FixedClock, SeededRandomness
from dissonance.adapters.memory.keys import MemoryDataSubjectKeys
from dissonance.adapters.memory.registry import MemoryRegistry
from dissonance.adapters.memory.store import MemoryStore
from dissonance.contracts.codec import decode
from dissonance.contracts.events import PRODUCTION_ARM, Event, Judged
from dissonance.contracts.ids import IdSource
from dissonance.contracts.schema import Task
from dissonance.contracts.sealed import SealedRow
from dissonance.contracts.topics import EventKind
from dissonance.contracts.verdicts import Reason, Verdict
from dissonance.pipeline.create_task import Columns, CreatedTask, create_task
from dissonance.pipeline.retrain import retrain
from dissonance.security.artefacts import ArtefactKeys
from dissonance.security.rows import label_row_id, seal_rows
from support.copies import made_once
from support.distributions import labelled_rows
from support.store import labels

CATEGORIES = ("a", "b", "c", "d")
COLUMNS = Columns(target="label", data_subject="person")


class Workshop(NamedTuple):
    """`pipeline.workshop.Workshop` on doubles."""

    store: MemoryStore
    keys: MemoryDataSubjectKeys
    registry: MemoryRegistry
    bus: MemoryBus
    clock: FixedClock
    randomness: SeededRandomness
    artefact_keys: ArtefactKeys
    anchors: MemoryAnchors


def workshop() -> Workshop:
    clock, randomness = FixedClock(), SeededRandomness(1)
    return Workshop(
        store=MemoryStore(clock),
        keys=MemoryDataSubjectKeys(randomness),
        registry=MemoryRegistry(clock),
        bus=MemoryBus(clock),
        clock=clock,
        randomness=randomness,
        artefact_keys=ArtefactKeys.from_seed(b"\x01" * 32, b"\x02" * 32),
        anchors=MemoryAnchors(),
    )


def frame(n: int = 1000, seed: int = 1, classes: int = 2) -> pandas.DataFrame:
    """Two numbers, a category of text, a label of text, and two rows of each person."""
    features, target = labelled_rows(n, seed, classes)
    return pandas.DataFrame(
        {
            "first": features[:, 0],
            "second": features[:, 1],
            "kind": [CATEGORIES[int(code)] for code in features[:, 2]],
            "person": [f"person-{number // 2}" for number in range(n)],
            "label": [("no", "yes", "perhaps")[index] for index in target],
        }
    )


def write(folder: Path, data: pandas.DataFrame, name: str = "data.parquet") -> Path:
    path = folder / name
    if path.suffix == ".csv":
        data.to_csv(path, index=False)
    else:
        data.to_parquet(path)
    return path


def create(work: Workshop, data: Path, name: str = "small", **options: Any) -> CreatedTask:
    return asyncio.run(create_task(work, name=name, data=data, **{"columns": COLUMNS, **options}))


class Served(NamedTuple):
    work: Workshop
    task: Task


@made_once
def small_task(rows: int = 1_000) -> Served:
    """The task "small" of `frame(rows)`, version 1 in production."""
    work = workshop()
    with TemporaryDirectory() as folder:
        return Served(work, create(work, write(Path(folder), frame(rows))).task)


@made_once
def updated_task() -> Served:
    """The same, and version 2, a candidate that learnt nothing new."""
    work, task = small_task()
    asyncio.run(retrain(work, task.name))
    return Served(work, task)


async def add_experience(
    work: Workshop,
    task: Task,
    features: NDArray[np.float64],
    classes: Sequence[int],
    data_subjects: Sequence[str],
    *,
    labelled: bool = True,
    models: tuple[str, str] = ("a" * 64, ""),
    right: tuple[bool, bool | None] = (True, None),
    arm: str = PRODUCTION_ARM,
    event_times_us: Sequence[int] | None = None,
) -> None:
    """Admitted inputs, each with its label, as learner and store leave them. `models`: digests of who answered, and of
    who did in its shadow; `right`: whether they were."""
    n, ids = len(features), IdSource(work.clock, work.randomness)
    prediction_ids = [ids.next() for _ in range(n)]
    hashes = [work.keys.data_subject_hash(task.task_id, data_subject) for data_subject in data_subjects]
    keys = await work.keys.obtain(task.task_id, list(set(hashes)))
    rows = [SealedRow(features=row.tobytes()) for row in features]
    truths = [SealedRow(features=b"", label=int(label)) for label in classes]
    label_ids = [label_row_id(each) for each in prediction_ids]
    now_us = work.clock.now_us()
    judged = Judged(
        event_id=work.randomness.token(8).hex(),
        task_id=task.task_id,
        produced_at_us=now_us,
        producer="gate",
        prediction_ids=prediction_ids,
        data_subjects=hashes,
        event_times_us=list(event_times_us or range(now_us, now_us + n)),
        processing_times_us=[now_us] * n,
        sealed=seal_rows(keys, task.task_id, prediction_ids, hashes, rows, work.randomness),
        model_digest=models[0],
        shadow_digest=models[1],
        policy_digest="b" * 64,
        canary_arms=[arm] * n,
        propensities=[1.0] * n,
        confidences=[0.8] * n,
        dissonances=[0.0] * n,
        critic_digest="c" * 64,
        verdicts=[Verdict.ADMITTED] * n,
        reasons=[Reason.AGREED] * n,
        policy_version=1,
    )
    await work.store.record([judged])
    if not labelled:
        return
    sealed_labels = seal_rows(keys, task.task_id, label_ids, hashes, truths, work.randomness)
    joined = labels(prediction_ids, sealed_labels, [now_us] * n, [right[0]] * n, shadow_right=[right[1]] * n)
    await work.store.add_labels(task.task_id, joined)


async def published(work: Workshop, kind: EventKind) -> list[Event]:
    """What this kind's topic holds, oldest first."""
    async with work.bus.subscribe("a test", [kind]) as subscription:
        return [decode(delivery.data) for delivery in await subscription.fetch(100, 0.0)]
