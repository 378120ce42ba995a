"""A fresh golden holdout in place of one that judgements have worn: rows that taught nobody, and nobody looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dissonance.contracts.counts import counted
from dissonance.contracts.evidence import DecisionKind
from dissonance.contracts.schema import Task
from dissonance.decisions.evidence.chain import GOLDEN_BEFORE, GOLDEN_ROWS
from dissonance.errors import InvalidDataFile, UnknownClass
from dissonance.pipeline.aliases import production_version
from dissonance.pipeline.anchoring import anchor
from dissonance.pipeline.data_file import natives, read_data_file, read_data_subjects, require_columns
from dissonance.pipeline.event_time import event_time_now_us
from dissonance.pipeline.evidence import Said, decided, evidence_of
from dissonance.pipeline.file_limits import MOST_BYTES
from dissonance.pipeline.flow.incoming import NO_TIME, Incoming, leave_out
from dissonance.pipeline.golden_digest import stored_digest
from dissonance.pipeline.reference import CHUNK_ROWS, learnable_rows, open_experience, open_stored, sealed_reference
from dissonance.pipeline.schema_inference import encode_frame
from dissonance.pipeline.splitting import MIN_PART_ROWS
from dissonance.pipeline.training import LabelledRows
from dissonance.pipeline.workshop import Progress, Workshop, no_progress
from dissonance.ports.store import ReferenceRows, Split

ALWAYS_US = 2**62


class RefreshedGolden(NamedTuple):
    """`rows` are golden now, `retired` were; `left_out` of the file were known to the system already."""

    task: Task
    rows: int
    retired: int
    left_out: int
    decision_id: str


class _File(NamedTuple):
    """`names` of the data subjects in plain."""

    incoming: Incoming
    names: list[str]


async def refresh_golden(
    workshop: Workshop,
    name: str,
    data: Path,
    *,
    by: str,
    reason: str = "",
    most_bytes: int = MOST_BYTES,
    progress: Progress = no_progress,
) -> RefreshedGolden:
    """Seal the file's rows as the golden holdout and retire the one before, as one recorded decision.

    Rows about people that models were made of, or judged on, are left out; where rows are about nobody known, so are
    those that equal such a row. The retired rows stay out of training for ever. Rows of a source that the pipeline took
    in are told only by the experience they became: give rows that no source had.

    Raises `UnknownTask`, `TaskExists` (somebody else is at it), `InvalidDataFile` (too few rows are left, or of a
    class none), `UnknownClass`, `UnseenCategory`, `SealBroken` or `EngineUnavailable`; nothing is changed then.
    """
    task = await workshop.store.by_name(name)
    async with workshop.store.claim(name):
        progress("read", 0.0)
        file = await asyncio.to_thread(_read, workshop, task, data, most_bytes)
        progress("open the rows", 0.0)
        known = {split: await workshop.store.reference(task.task_id, split) for split in Split}
        kept = await _unknown(workshop, task, file.incoming, known)
        _require_enough(task, file.incoming.rows.classes[kept])
        progress("seal the rows", 0.0)
        first = 1 + max((number for rows in known.values() for number in rows.row_numbers), default=-1)
        names, golden = [file.names[i] for i in kept], [Split.GOLDEN] * len(kept)
        rows = await sealed_reference(workshop, task, file.incoming.rows.at(kept), golden, names, first)
        production = evidence_of(await production_version(workshop, task))
        decision = await decided(
            workshop,
            task,
            Said(DecisionKind.HOLDOUT_REFRESHED, workshop.randomness.token(16).hex(), by, reason),
            candidate=production,
            incumbent=production,
            production=production.version,
            policy=await workshop.store.policy(task.task_id),
            event_time_us=await event_time_now_us(workshop, task.task_id),
            digests={GOLDEN_ROWS: stored_digest(rows), GOLDEN_BEFORE: stored_digest(known[Split.GOLDEN])},
        )
        retired = await workshop.store.refresh_golden(task.task_id, rows, decision)
    await anchor(workshop, task)
    progress("done", 1.0)
    left_out = len(file.names) - len(kept)
    return RefreshedGolden(task, len(kept), retired, left_out, decision.decision_id)


def _read(workshop: Workshop, task: Task, path: Path, most_bytes: int) -> _File:
    data = read_data_file(path, most_bytes)
    require_columns(data.frame, target=task.target, data_subject=task.data_subject_column)
    code = {(isinstance(value, bool), value): number for number, value in enumerate(task.classes)}
    classes = []
    for number, value in enumerate(natives(data.frame[task.target])):
        if (isinstance(value, bool), value) not in code:
            raise UnknownClass(
                f"row {number} is of {value!r}, which is no class of the task", where=task.target, fix="leave it out"
            )
        classes.append(code[isinstance(value, bool), value])
    names = read_data_subjects(data, task.data_subject_column)
    hashes = None
    if task.data_subject_column is not None:
        hashes = workshop.keys.data_subject_hashes(task.task_id, names)
    rows = LabelledRows(encode_frame(task.schema, data.frame), np.array(classes, dtype=np.int64))
    return _File(Incoming(rows, hashes, np.full(len(classes), NO_TIME, dtype=np.int64)), names)


async def _unknown(
    workshop: Workshop, task: Task, incoming: Incoming, known: Mapping[Split, ReferenceRows]
) -> NDArray[np.int64]:
    """Positions of the rows that no model was made of or judged on, and whose people were not erased."""
    if incoming.data_subjects is None:
        opened = {split: await open_stored(workshop, task, rows) for split, rows in known.items()}
        golden, taught = opened.pop(Split.GOLDEN), await open_experience(workshop, task)
        # What is left says where it was by its time, of which these rows have none.
        numbered = incoming._replace(times_us=np.arange(1, len(incoming.times_us) + 1))
        left, _ = leave_out(numbered, golden, frozenset(), [*opened.values(), taught], ALWAYS_US, back_fill=False)
        return np.sort(left.times_us) - 1
    people = {each for rows in known.values() for each in rows.data_subjects}
    people.update((await learnable_rows(workshop, task)).data_subjects)
    strangers = list(dict.fromkeys(each for each in incoming.data_subjects if each not in people))
    there: set[bytes] = set()
    for start in range(0, len(strangers), CHUNK_ROWS):
        there |= (await workshop.keys.obtain(task.task_id, strangers[start : start + CHUNK_ROWS])).keys()
    return np.array([i for i, each in enumerate(incoming.data_subjects) if each in there], dtype=np.int64)


def _require_enough(task: Task, classes: NDArray[np.int64]) -> None:
    lacking = len(task.classes) - len(np.unique(classes))
    if len(classes) < MIN_PART_ROWS or lacking:
        raise InvalidDataFile(
            f"{counted(len(classes), 'row is', 'rows are')} left that the system has not seen, and of "
            f"{counted(lacking, 'class', 'classes')} none",
            where="golden holdout",
            fix=f"give {MIN_PART_ROWS} rows or more, of every class, about people that no model was made of",
        )
