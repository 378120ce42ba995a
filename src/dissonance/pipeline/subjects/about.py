"""All that there is about one data subject: rows, snapshots, and the models and windows that learnt from them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import pyarrow.compute

from dissonance.contracts.erasure import LearntFrom, LearntModel, RowCounts
from dissonance.contracts.schema import Task
from dissonance.errors import InputError, ModelNotFound
from dissonance.pipeline.flow.records import Records
from dissonance.pipeline.flow.snapshot import Origin, path_of
from dissonance.pipeline.scoring.reading import reading
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.blobs import Blobs
from dissonance.ports.registry import TRAIN_ROWS, ModelRole, ModelVersion
from dissonance.ports.store import Experience, Split, Window

MOST_WINDOWS = 100_000
IDS_AT_ONCE = 2_000

FITTED_ON = {ModelRole.PROPOSER: (Split.TRAIN,), ModelRole.CRITIC: (Split.CRITIC,)}
"""Parts of the data file that `task create` fits a model on; an update is fitted on both."""


class Subject(NamedTuple):
    """`key`: the keyed hash that stands for the person within the task."""

    task: Task
    key: bytes


class About(NamedTuple):
    """`experience` in order of event time; `reference`: split and sealed row by number; `snapshots`: origins of its
    rows in each snapshot, by digest."""

    subject: Subject
    experience: list[Experience]
    reference: dict[int, tuple[str, bytes]]
    requests: int
    snapshots: dict[str, Counter[str]]
    models: list[LearntModel]
    windows: list[str]

    @property
    def counts(self) -> RowCounts:
        return RowCounts(
            experience=len(self.experience),
            labels=sum(row.label_sealed is not None for row in self.experience),
            label_requests=self.requests,
            reference=dict(sorted(Counter(split for split, _ in self.reference.values()).items())),
        )


class SnapshotFiles(NamedTuple):
    """`folder`: of all tasks' runs of the pipeline within `files`."""

    files: Blobs
    folder: str

    def of(self, task: Task) -> Records:
        return Records(self.files, f"{self.folder}/{task.task_id}")


async def find_subject(workshop: Workshop, name: str, person: str) -> Subject:
    """Raises `UnknownTask`, or `InputError` where rows of the task are about nobody in particular."""
    task = await workshop.store.by_name(name)
    if task.data_subject_column is None:
        raise InputError(
            f"rows of '{name}' are about nobody in particular: they share one key a day (ADR 8)",
            where="task",
            fix="create the task with a data subject column; or delete all of it: dissonance task delete",
        )
    return Subject(task, workshop.keys.data_subject_hash(task.task_id, person))


async def about(workshop: Workshop, snapshots: SnapshotFiles, subject: Subject) -> About:
    """Opens no row, so that it tells the same before and after an erasure. Raises `EngineUnavailable`, or
    `InvalidDataFile` for a snapshot that cannot be read."""
    store, task_id = workshop.store, subject.task.task_id
    ids = await store.predictions_about(task_id, subject.key)
    found: dict[bytes, Experience] = {}
    for start in range(0, len(ids), IDS_AT_ONCE):
        found |= await store.find(task_id, ids[start : start + IDS_AT_ONCE])
    experience = [found[each] for each in ids if each in found]
    reference = await store.reference_about(task_id, subject.key)
    records = snapshots.of(subject.task)
    held = await asyncio.to_thread(_in_snapshots, snapshots.files, records.folder, subject.key)
    versions: list[ModelVersion] = []
    for role in ModelRole:
        with suppress(ModelNotFound):  # a task whose models are gone: nothing that learnt is left
            versions += await asyncio.to_thread(workshop.registry.versions, task_id, role)
    learnt = _Learnt(experience, {Split(split) for split, _ in reference.values()}, held, records)
    return About(
        subject=subject,
        experience=experience,
        reference=reference,
        requests=await store.requests_about(task_id, subject.key),
        snapshots=held,
        models=await asyncio.to_thread(learnt.models, versions),
        windows=_windows(await store.windows(task_id, MOST_WINDOWS), experience),
    )


class _Learnt(NamedTuple):
    experience: Sequence[Experience]
    splits: set[Split]
    snapshots: dict[str, Counter[str]]
    records: Records

    def models(self, versions: Sequence[ModelVersion]) -> list[LearntModel]:
        """Oldest first. A critic follows the proposer that it was made for."""
        how: dict[tuple[ModelRole, int], LearntFrom] = {}
        for version in sorted(versions, key=lambda each: (each.role is ModelRole.CRITIC, each.version)):
            found = self._how(version, how)
            if found is not None:
                how[version.role, version.version] = found
        by_name = {(version.role, version.version): version for version in versions}
        return [
            LearntModel(
                role=role.value,
                version=number,
                digest=by_name[role, number].digest,
                learnt_from=found,
                in_production=by_name[role, number].in_production,
            )
            for (role, number), found in how.items()
        ]

    def _how(self, version: ModelVersion, how: dict[tuple[ModelRole, int], LearntFrom]) -> LearntFrom | None:
        # From a file: it may be any of the versions before it, exported and registered again.
        elsewhere = version.role is ModelRole.PROPOSER and version.parent is None and TRAIN_ROWS not in version.metrics
        descends = (ModelRole.PROPOSER, version.parent) in how or (elsewhere and bool(how))
        if version.role is ModelRole.PROPOSER and (made := self.records.provenance(version.digest)) is not None:
            if any(origin != Origin.WINDOW.value for origin in self.snapshots.get(made.snapshot, ())):
                return LearntFrom.SNAPSHOT
            return LearntFrom.DESCENT if descends else None
        updated = version.role is ModelRole.PROPOSER and (version.parent is not None or elsewhere)
        fitted_on = (Split.TRAIN, Split.CRITIC) if updated else FITTED_ON[version.role]
        if self.splits.intersection(fitted_on):
            return LearntFrom.REFERENCE
        if any(
            row.labelled_at_us is not None and row.labelled_at_us < version.created_at_us for row in self.experience
        ):
            return LearntFrom.LABELS
        return LearntFrom.DESCENT if descends else None


def _in_snapshots(files: Blobs, folder: str, key: bytes) -> dict[str, Counter[str]]:
    """Reads who each row is about, and nothing else."""
    place = f"{folder}/snapshots"
    found = {}
    for path in files.files(place) if files.exists(place) else []:
        digest = path.rpartition("/")[2].removesuffix(".parquet")
        with reading(path_of(folder, digest), "a snapshot"), files.open(path) as file:
            table = pyarrow.parquet.read_table(file, columns=["data_subject", "origin"])
        own = table.filter(pyarrow.compute.equal(table.column("data_subject"), key))
        if own.num_rows:
            found[digest] = Counter(own.column("origin").to_pylist())
    return found


def _windows(windows: Sequence[Window], experience: Sequence[Experience]) -> list[str]:
    times = sorted({row.event_time_us for row in experience})
    return [window.window_id for window in windows if any(window.start_us <= time < window.end_us for time in times)][
        ::-1
    ]
