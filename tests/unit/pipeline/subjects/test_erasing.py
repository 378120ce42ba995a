"""A person is shown, exported and erased; the certificate says what was erased and what remains, and no restore brings
the person back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from dissonance.adapters.files.local import LocalFiles
from dissonance.adapters.memory.anchors import MemoryAnchors
from dissonance.contracts.erasure import Certificate, LearntFrom
from dissonance.contracts.events import RetrainRequested
from dissonance.contracts.topics import EventKind
from dissonance.errors import EngineError, InputError, KeyDestroyed, SealBroken
from dissonance.pipeline.flow.records import Provenance
from dissonance.pipeline.subjects.about import About, SnapshotFiles, about, find_subject
from dissonance.pipeline.subjects.again import erase_again, require_none_forgotten
from dissonance.pipeline.subjects.certificate import read_certificate
from dissonance.pipeline.subjects.erasing import ask_for_retrain, certificate_of, erase
from dissonance.pipeline.subjects.exporting import export_rows
from dissonance.ports.erasures import Erasure
from dissonance.ports.registry import ModelRole
from dissonance.ports.steps import StepName
from support.flow import bench, run_until
from support.workshop import COLUMNS, add_experience, create, frame, published, small_task, workshop, write

PERSON, OTHER, NEW = "person-7", "person-8", "somebody new"
ROW = [0.25, -1.5, 1.0]


class Place:
    """A task whose data file has two rows of PERSON, and that answered two inputs about PERSON and one about OTHER."""

    def __init__(self, folder: Path) -> None:
        self.work, self.task = small_task()
        self.snapshots = SnapshotFiles(LocalFiles(), str(folder / "pipeline"))
        self.notes = MemoryAnchors()
        people = [PERSON, OTHER, PERSON]
        asyncio.run(add_experience(self.work, self.task, np.array([ROW] * 3), [1, 0, 1], people))

    def about(self, person: str = PERSON) -> About:
        async def found() -> About:
            return await about(self.work, self.snapshots, await find_subject(self.work, self.task.name, person))

        return asyncio.run(found())

    def erase(self, person: str = PERSON) -> Certificate:
        done = asyncio.run(erase(self.work, self.snapshots, self.notes, self.task.name, person, "an operator"))
        return done[1]

    def exported(self, person: str = PERSON) -> list[dict[str, object]]:
        return asyncio.run(export_rows(self.work, self.about(person)))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("subjects"))


@pytest.fixture
def fresh(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_all_about_a_person_is_counted_without_opening_a_row(place: Place) -> None:
    counts = place.about().counts
    assert (counts.experience, counts.labels, sum(counts.reference.values())) == (2, 2, 2)
    nobody = place.about("nobody at all")
    assert (nobody.counts.experience, nobody.counts.reference, nobody.models) == (0, {}, [])


def test_export_holds_the_rows_as_the_person_gave_them(place: Place) -> None:
    rows = place.exported()
    assert [row["from"] for row in rows] == ["data file", "data file", "input", "input"]
    given = frame().iloc[14]
    assert rows[0]["row"] == {"first": given["first"], "second": given["second"], "kind": given["kind"]}
    assert rows[0]["label"] == given["label"]
    assert rows[2]["row"] == {"first": 0.25, "second": -1.5, "kind": rows[2]["row"]["kind"]}  # type: ignore[index]
    assert rows[2]["label"] == "yes"
    assert place.exported("nobody at all") == []


def test_models_that_were_fitted_on_a_person_are_told_from_the_part_its_rows_are_in(place: Place) -> None:
    split = next(iter(place.about().counts.reference))
    learnt = {model.role: model.learnt_from for model in place.about().models}
    direct = {"train": "proposer", "critic": "critic", "golden": None}[split]
    assert learnt.get(direct or "") == (LearntFrom.REFERENCE if direct else None)
    assert learnt.get("critic") == (LearntFrom.DESCENT if split == "train" else learnt.get("critic"))


def test_erased_person_opens_nowhere_and_others_still_do(fresh: Place) -> None:
    certificate = fresh.erase()
    with pytest.raises(KeyDestroyed):
        fresh.exported()
    assert len(fresh.exported(OTHER)) == 3
    assert certificate.data_subject == fresh.about().subject.key.hex()
    assert PERSON not in str(certificate)
    assert (certificate.rows.experience, certificate.by) == (2, "an operator")
    assert len(certificate.erased) == 2
    assert {"backups", "models"} <= {word for each in certificate.remains for word in each.what.split()}
    assert all(each.why for each in certificate.remains)


def test_erasing_again_gives_the_same_certificate_and_destroys_what_a_restore_brought_back(fresh: Place) -> None:
    first = fresh.erase()
    fresh.work.clock.advance(60)
    shared = fresh.work.keys._shared
    shared.destroyed.clear()
    assert fresh.erase() == first
    assert (fresh.task.task_id, fresh.about().subject.key) in shared.destroyed
    assert len(fresh.notes.lines(fresh.task.task_id)) == 1


def test_erasure_that_was_cut_short_is_finished_by_the_next_one(fresh: Place) -> None:
    subject = fresh.about().subject
    asyncio.run(fresh.work.keys.destroy(fresh.task.task_id, [subject.key]))
    assert asyncio.run(certificate_of(fresh.work, subject)) is None
    assert fresh.erase().rows.experience == 2
    assert asyncio.run(certificate_of(fresh.work, subject)) is not None


def test_person_without_rows_can_be_erased_and_is_never_answered_about(fresh: Place) -> None:
    certificate = fresh.erase(NEW)
    assert (certificate.rows.experience, certificate.models, certificate.windows) == (0, (), ())
    key = fresh.about(NEW).subject.key
    assert asyncio.run(fresh.work.keys.obtain(fresh.task.task_id, [key])) == {}


@pytest.mark.parametrize("lost", ["the keys database", "both databases"])
def test_restored_keys_are_destroyed_again_before_anything_is_opened(fresh: Place, lost: str) -> None:
    shared = fresh.work.keys._shared
    backup = (dict(shared.wrapped), set(shared.destroyed))
    fresh.erase()
    shared.wrapped, shared.destroyed = dict(backup[0]), set(backup[1])
    assert len(fresh.exported()) == 4  # the old backup brings the person back
    if lost == "both databases":
        fresh.work.store._erasures.clear()
    store, keys = fresh.work.store, fresh.work.keys
    arguments = (store, keys, fresh.notes, fresh.work.artefact_keys.verification)
    with pytest.raises(EngineError, match="forgotten 1 erasures") as refused:
        asyncio.run(require_none_forgotten(*arguments))
    assert "dissonance up" in refused.value.fix
    assert asyncio.run(erase_again(*arguments)) == 1
    assert asyncio.run(erase_again(*arguments)) == 0
    asyncio.run(require_none_forgotten(*arguments))
    with pytest.raises(KeyDestroyed):
        fresh.exported()


def test_note_that_nobody_signed_destroys_nothing(fresh: Place) -> None:
    fresh.erase(NEW)
    (line,) = fresh.notes.lines(fresh.task.task_id)
    key = fresh.about().subject.key.hex().encode()
    forged = line.replace(fresh.about(NEW).subject.key.hex().encode(), key)
    assert fresh.notes.append(fresh.task.task_id, forged, line)
    store, keys = fresh.work.store, fresh.work.keys
    assert asyncio.run(erase_again(store, keys, fresh.notes, fresh.work.artefact_keys.verification)) == 0
    assert len(fresh.exported()) == 4


def test_certificate_that_was_changed_is_refused(fresh: Place) -> None:
    fresh.erase()
    kept = asyncio.run(fresh.work.store.erasure(fresh.task.task_id, fresh.about().subject.key))
    assert kept is not None
    changed = kept.certificate.replace(b"an operator", b"an auditor!")
    with pytest.raises(SealBroken, match="signature"):
        read_certificate(Erasure(*kept[:3], changed), fresh.work.artefact_keys.verification)


def test_snapshot_that_holds_a_person_and_what_was_made_of_it_are_told(fresh: Place, tmp_path: Path) -> None:
    at = bench(fresh.work, tmp_path)
    done = run_until(at, fresh.task, StepName.SNAPSHOT)
    digest = done[StepName.SNAPSHOT].record.digest
    snapshots = SnapshotFiles(at.files, at.folder)
    subject = fresh.about().subject
    production = fresh.work.registry.production(fresh.task.task_id, ModelRole.PROPOSER)
    made = Provenance(
        version=production.version,
        model_digest=production.digest,
        model_files_digest="a" * 64,
        snapshot=digest,
        parent=0,
        run="a run",
    )
    snapshots.of(fresh.task).keep_provenance(made)
    found = asyncio.run(about(fresh.work, snapshots, subject))
    assert found.snapshots[digest]["experience"] == 2
    learnt = {(model.role, model.version): model.learnt_from for model in found.models}
    assert learnt["proposer", production.version] is LearntFrom.SNAPSHOT
    assert learnt["critic", 1] in (LearntFrom.DESCENT, LearntFrom.REFERENCE)
    asyncio.run(erase(fresh.work, snapshots, fresh.notes, fresh.task.name, PERSON, "an operator"))
    after = asyncio.run(about(fresh.work, snapshots, subject))
    assert after == found


def test_retrain_is_asked_for_on_the_bus(fresh: Place) -> None:
    asked = asyncio.run(ask_for_retrain(fresh.work, fresh.task, "an operator"))
    events = [
        each
        for each in asyncio.run(published(fresh.work, EventKind.RETRAIN_REQUESTED))
        if isinstance(each, RetrainRequested)
    ]
    assert [(each.event_id, each.requested_by) for each in events] == [(asked, "an operator")]


def test_rows_about_nobody_in_particular_cannot_be_erased_alone(tmp_path: Path) -> None:
    work = workshop()
    columns = COLUMNS._replace(data_subject=None)
    task = create(work, write(tmp_path, frame().drop(columns="person")), columns=columns).task
    with pytest.raises(InputError, match="nobody in particular"):
        asyncio.run(find_subject(work, task.name, PERSON))
