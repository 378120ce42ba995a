"""Everything that is stored about one data subject, opened, for the person to have (GDPR, article 15)."""

from __future__ import annotations

from typing import Any

import numpy as np

from dissonance.contracts.ids import id_text
from dissonance.contracts.times import to_text
from dissonance.decisions.decoding import decode_row
from dissonance.errors import KeyDestroyed
from dissonance.pipeline.subjects.about import About
from dissonance.pipeline.workshop import Workshop
from dissonance.security.rows import label_row_id, open_rows, reference_row_id

Row = dict[str, Any]


async def export_rows(workshop: Workshop, found: About) -> list[Row]:
    """Rows of the data file, then inputs in order of event time, as JSON values.

    Raises `KeyDestroyed` where there are rows and no key, `SealBroken` for a row that was changed.
    """
    task, key = found.subject.task, found.subject.key
    if not found.experience and not found.reference:
        return []
    keys = await workshop.keys.find(task.task_id, [key])
    if not keys:
        raise KeyDestroyed(
            "its key was destroyed: nothing of its rows can be read",
            where="data subject",
            fix="dissonance subjects show tells what remains",
        )
    return [*_reference(keys, found), *_experience(keys, found)]


def _reference(keys: dict[bytes, bytes], found: About) -> list[Row]:
    task, numbers = found.subject.task, list(found.reference)
    ids, people = [reference_row_id(number) for number in numbers], [found.subject.key] * len(numbers)
    opened = open_rows(keys, task.task_id, ids, people, [sealed for _, sealed in found.reference.values()])
    return [
        {
            "from": "data file",
            "row_number": number,
            "split": split,
            "row": decode_row(task.schema, _numbers(row.features)),
            "label": task.classes[row.label],
        }
        for number, (split, _), row in zip(numbers, found.reference.values(), opened, strict=True)
        if row is not None
    ]


def _experience(keys: dict[bytes, bytes], found: About) -> list[Row]:
    task, rows = found.subject.task, found.experience
    people = [found.subject.key] * len(rows)
    opened = open_rows(keys, task.task_id, [row.prediction_id for row in rows], people, [row.sealed for row in rows])
    labelled = [row for row in rows if row.label_sealed is not None]
    labels = open_rows(
        keys,
        task.task_id,
        [label_row_id(row.prediction_id) for row in labelled],
        people[: len(labelled)],
        [row.label_sealed or b"" for row in labelled],
    )
    known = {row.prediction_id: label for row, label in zip(labelled, labels, strict=True)}
    exported = []
    for row, plain in zip(rows, opened, strict=True):
        if plain is None:
            continue
        label = known.get(row.prediction_id)
        p = _numbers(plain.probabilities)
        exported.append(
            {
                "from": "input",
                "prediction_id": id_text(row.prediction_id),
                "event_time": to_text(row.event_time_us),
                "processing_time": to_text(row.processing_time_us),
                "row": decode_row(task.schema, _numbers(plain.features)),
                "probabilities": {str(name): value for name, value in zip(task.classes, p, strict=bool(p))},
                "label": None if label is None else task.classes[label.label],
                "verdict": row.verdict.value,
                "reason": row.reason.value,
                "confidence": row.confidence,
                "dissonance": row.dissonance,
                "model_digest": row.model_digest,
            }
        )
    return exported


def _numbers(column: bytes) -> list[float]:
    return [float(value) for value in np.frombuffer(column, dtype="<f8")]
