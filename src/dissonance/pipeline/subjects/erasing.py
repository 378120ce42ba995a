"""Erase a data subject: destroy its key, and certify that (ADR 58)."""

from __future__ import annotations

import asyncio

from dissonance.contracts.erasure import Certificate
from dissonance.contracts.events import RetrainRequested
from dissonance.contracts.schema import Task
from dissonance.contracts.updates import RetrainCause
from dissonance.pipeline.delete_task import PRODUCER
from dissonance.pipeline.subjects.about import SnapshotFiles, Subject, about, find_subject
from dissonance.pipeline.subjects.certificate import read_certificate, sign_certificate
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.anchors import Anchors
from dissonance.ports.erasures import Erasure
from dissonance.security.artefacts import ArtefactKeys
from dissonance.security.evidence import ErasureNote, SignedBundle, note_line


async def erase(
    workshop: Workshop, snapshots: SnapshotFiles, notes: Anchors, name: str, person: str, by: str
) -> tuple[SignedBundle, Certificate]:
    """Destroy the key; returns the certificate. Again: the same certificate.

    What was cut short is finished by the next call. Raises `UnknownTask`, `InputError` for a task whose rows are about
    nobody in particular, `StorageError` or `EngineUnavailable`.
    """
    subject = await find_subject(workshop, name, person)
    task_id, key = subject.task.task_id, subject.key
    erasure = await workshop.store.erasure(task_id, key)
    if erasure is None:
        found = await about(workshop, snapshots, subject)
        await workshop.keys.destroy(task_id, [key])
        erasure = await workshop.store.keep_erasure(sign_certificate(workshop, found, by))
    else:
        await workshop.keys.destroy(task_id, [key])
    await asyncio.to_thread(_note, notes, erasure, workshop.artefact_keys)
    return read_certificate(erasure, workshop.artefact_keys.verification)


async def ask_for_retrain(workshop: Workshop, task: Task, by: str) -> str:
    """Id of the request: the learner trains on the rows that still open, the gate judges."""
    event = RetrainRequested(
        event_id=workshop.randomness.token(16).hex(),
        task_id=task.task_id,
        produced_at_us=workshop.clock.now_us(),
        producer=PRODUCER,
        reason="a data subject was erased; train without its rows",
        requested_by=by,
        cause=RetrainCause.HAND,
    )
    await workshop.bus.publish([event])
    return event.event_id


async def certificate_of(workshop: Workshop, subject: Subject) -> tuple[SignedBundle, Certificate] | None:
    """None while it is not erased. Raises as `read_certificate` does."""
    erasure = await workshop.store.erasure(subject.task.task_id, subject.key)
    return None if erasure is None else read_certificate(erasure, workshop.artefact_keys.verification)


def _note(notes: Anchors, erasure: Erasure, keys: ArtefactKeys) -> None:
    """One line, once; others may write lines meanwhile."""
    person = erasure.data_subject.hex()
    line = note_line(ErasureNote(task_id=erasure.task_id, data_subject=person, erased_at_us=erasure.erased_at_us), keys)
    while line not in (lines := notes.lines(erasure.task_id)):
        notes.append(erasure.task_id, line, lines[-1] if lines else None)
