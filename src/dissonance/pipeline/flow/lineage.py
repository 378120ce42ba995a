"""From an answer back to the rows behind it: the model that gave it, every version that it was made from, their
snapshots."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from dissonance.errors import ModelNotFound
from dissonance.pipeline.flow.bench import Bench
from dissonance.pipeline.flow.records import Provenance, Records
from dissonance.pipeline.flow.snapshot import Snapshot, read_snapshot
from dissonance.pipeline.who_answered import WhoAnswered, who_answered
from dissonance.ports.registry import ModelRole


class Lineage(NamedTuple):
    """`models` newest first; an update is moved from its parent, whose rows are behind it too. `without_snapshot`:
    versions of which the pipeline kept none, since something else made them."""

    answered: WhoAnswered
    models: list[tuple[Provenance, Snapshot]]
    without_snapshot: list[int]


async def trace(bench: Bench, name: str, prediction_id: bytes) -> Lineage:
    """Raises `UnknownTask`, `UnknownPrediction`, `ModelNotFound` for a model that is not in the registry any more,
    `RecordBroken` or `EngineUnavailable`."""
    answered = await who_answered(bench.workshop, name, prediction_id)
    task = answered.task
    if answered.version is None:
        raise ModelNotFound(
            f"the registry has no model {answered.row.model_digest[:12]}… any more",
            where="registry",
            fix="restore the registry from its backup",
        )
    records = Records(bench.files, bench.task_folder(task.task_id))
    found = await asyncio.to_thread(bench.workshop.registry.versions, task.task_id, ModelRole.PROPOSER)
    by_number = {version.version: version for version in found}
    models, without = [], []
    number: int | None = answered.version
    while number is not None and number in by_number:
        version = by_number[number]
        provenance = records.provenance(version.digest)
        if provenance is None:
            without.append(number)
        else:
            snapshot = await asyncio.to_thread(read_snapshot, bench.files, records.folder, task, provenance.snapshot)
            models.append((provenance, snapshot))
        number = version.parent
    return Lineage(answered, models, without)
