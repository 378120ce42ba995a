"""The first steps: rows in, checked, and put on record as a snapshot."""

from __future__ import annotations

import asyncio
import hashlib
import hmac

import numpy as np
import pyarrow as pa

from dissonance.decisions.rows import category_sizes
from dissonance.decisions.tables import table_bytes
from dissonance.pipeline.flow.collecting import collect, in_order, prepare, sealed, without_erased
from dissonance.pipeline.flow.incoming import leave_out
from dissonance.pipeline.flow.snapshot import Plain, SnapshotRow, digest_of_ids, path_of, write_snapshot
from dissonance.pipeline.flow.step import Made
from dissonance.pipeline.flow.work import NO_ROWS, Inputs, Work
from dissonance.pipeline.mature_window import mature_window
from dissonance.pipeline.reference import OpenedRows, open_reference
from dissonance.pipeline.training import LabelledRows
from dissonance.ports.steps import Number, StepName
from dissonance.ports.store import Split
from dissonance.science.density import FOLDS
from dissonance.science.input_drift import input_drift

DIGEST_ROWS = 65_536
"""Rows that are put into bytes at once to take their digest."""


async def ingest_inputs(work: Work) -> Inputs:
    """What is in the source, read each time: nothing else tells that it is what it was."""
    table = await work.table()
    digest = NO_ROWS if table is None else await asyncio.to_thread(_digest, work.bench.hash_key, table)
    return {"source": work.request.source, "content": digest}


async def ingest(work: Work) -> Made:
    table = await work.table()
    if table is None:
        return Made(NO_ROWS, {"rows": 0, "columns": 0, "source": ""})
    digest = await asyncio.to_thread(_digest, work.bench.hash_key, table)
    return Made(digest, {"rows": table.num_rows, "columns": table.num_columns, "source": work.request.source})


async def validate_inputs(work: Work) -> Inputs:
    return {"content": work.done[StepName.INGEST].digest, "drift_max": work.request.drift_max}


async def validate(work: Work) -> Made:
    """Every check of every column, and how far the inputs are from the reference."""
    content = work.done[StepName.INGEST].digest
    table = await work.table()
    failures: list[str] = []
    remarks: list[str] = []
    if table is None:
        features = (await mature_window(work.workshop, work.task)).features
    else:
        checked = await asyncio.to_thread(work.bench.checks.check, work.task, table)
        failures, remarks = [str(each) for each in checked.failures], [str(each) for each in checked.remarks]
        if failures:
            return Made(content, {"failures": len(failures)}, tuple(failures), accepted=False)
        incoming = await work.incoming()
        assert incoming is not None
        features = incoming.rows.features
    numbers, drifted = await _drift(work, features)
    findings = tuple(drifted or remarks)
    return Made(content, {"failures": 0, "remarks": len(remarks), **numbers}, findings, accepted=not drifted)


async def _drift(work: Work, features: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> tuple[
    dict[str, Number], list[str]
]:  # fmt: skip
    """Numbers by column, the farthest first; why the rows are refused, if they are."""
    reference = (await open_reference(work.workshop, work.task, Split.CRITIC)).rows.features
    if min(len(reference), len(features)) < FOLDS:
        return {}, []
    sizes = category_sizes(work.task.schema)
    drift = await asyncio.to_thread(input_drift, reference, features, category_sizes=sizes, seed=work.request.seed)
    columns = sorted(zip(drift.columns, work.task.schema.names, strict=True), reverse=True)
    numbers: dict[str, Number] = {"drift_auc": drift.auc, **{f"drift_{name}": value for value, name in columns}}
    most = work.request.drift_max
    if most is None or drift.auc <= most:
        return numbers, []
    far = ", ".join(f"{name} ({value:.3f} nats)" for value, name in columns[:3])
    return numbers, [
        f"inputs: {len(features)} rows can be told from the reference with an AUC of {drift.auc:.3f}, which may be "
        f"{most:g}; farthest are {far}: see what changed there, or give a larger --max-drift"
    ]


async def snapshot_inputs(work: Work) -> Inputs:
    """What the system itself knew at a time is told by the time."""
    return {
        "rows": work.done[StepName.VALIDATE].digest,
        "as_of_us": work.request.as_of_us,
        "back_fill": int(work.request.back_fill),
    }


async def snapshot(work: Work) -> Made:
    """Raises `InputError`, `HoldoutLeak`, `SealBroken`, `EngineUnavailable` or `StorageError`."""
    bench, task = work.bench, work.task
    work.progress("collect the rows", 0.0)
    collected = await collect(work.workshop, task, work.request.as_of_us, work.ids)
    rows, plain = list(collected.rows), list(collected.plain)
    numbers: dict[str, Number] = {"erased": collected.erased, "golden_excluded": collected.golden_excluded}
    unsealed = None
    if (incoming := await work.incoming()) is not None:
        known = _labelled(rows, plain, len(task.schema.features))
        golden, people = await work.golden(), await work.workshop.store.golden_data_subjects(task.task_id)
        asked = work.request
        new, out = await asyncio.to_thread(
            leave_out, incoming, golden, people, [known], asked.as_of_us, back_fill=asked.back_fill
        )
        new = await without_erased(bench, task, new)
        unsealed = await asyncio.to_thread(prepare, bench, task, new, work.ids)
        rows, plain = [*rows, *unsealed.rows], [*plain, *unsealed.plain]
        numbers |= {"source_golden": out.golden, "source_known": out.known, "source_later": out.later}
    rows, plain = in_order(rows, plain)
    row_ids = await asyncio.to_thread(lambda: [work.ids(*each) for each in zip(rows, plain, strict=True)])
    digest = digest_of_ids(task, row_ids)
    path = path_of(work.records.folder, digest)
    if there := bench.files.exists(path):
        work.progress("the snapshot is there", 1.0)
    else:
        work.progress("seal the rows", 0.0)
        if unsealed is not None:
            done = {row.ident: row for row in await sealed(bench, task, unsealed)}
            rows = [done.get(row.ident, row) for row in rows]
        await asyncio.to_thread(write_snapshot, bench.files, path, rows, row_ids, work.ids)
    for row in rows:
        numbers[f"{row.origin.value}_rows"] = int(numbers.get(f"{row.origin.value}_rows", 0) or 0) + 1
    return Made(digest, {"rows": len(rows), "written": int(not there), **numbers})


def _digest(key: bytes, table: pa.Table) -> str:
    """Keyed, over the columns in order of their names."""
    state = hmac.new(key, b"dissonance source 1", digestmod=hashlib.sha256)
    ordered = table.select(sorted(table.column_names)).combine_chunks()
    for start in range(0, max(1, ordered.num_rows), DIGEST_ROWS):
        part = table_bytes(ordered.slice(start, DIGEST_ROWS))
        state.update(len(part).to_bytes(8) + part)
    return state.hexdigest()


def _labelled(rows: list[SnapshotRow], plain: list[Plain], width: int) -> OpenedRows:
    there = [(row, each) for row, each in zip(rows, plain, strict=True) if each.label >= 0]
    features = np.frombuffer(b"".join(each.features for _, each in there), dtype="<f8").reshape(len(there), width)
    classes = np.array([each.label for _, each in there], dtype=np.int64)
    return OpenedRows(LabelledRows(features, classes), [], [row.data_subject for row, _ in there], 0)
