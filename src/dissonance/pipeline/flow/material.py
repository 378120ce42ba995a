"""A snapshot as the material of an update: what `pipeline.retrain` fits on, and nothing that was stored since."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dissonance.contracts.schema import Task
from dissonance.contracts.verdicts import Reason, Verdict
from dissonance.errors import SealBroken
from dissonance.pipeline.flow.collecting import RANDOM_CHECK
from dissonance.pipeline.flow.snapshot import Origin, Plain, SnapshotRow
from dissonance.pipeline.mature_window import MOST_ROWS
from dissonance.pipeline.quarantining import Asked
from dissonance.pipeline.reference import OpenedRows, kept_from_updates
from dissonance.pipeline.retrain import Material
from dissonance.pipeline.splitting import refuse_leak
from dissonance.pipeline.training import LabelledRows
from dissonance.ports.store import Experience

FROM_DATA_FILE = (Origin.TRAIN, Origin.CRITIC)


def material_of(
    task: Task,
    rows: Sequence[SnapshotRow],
    opened: Sequence[Plain | None],
    golden: OpenedRows,
    golden_people: frozenset[bytes],
    golden_excluded: int,
) -> Material:
    """Rows of a source are taught as those of the data file are. Raises `HoldoutLeak`, or `SealBroken` for a row of
    another width."""
    there = [(row, plain) for row, plain in zip(rows, opened, strict=True) if plain is not None]
    erased = len(rows) - len(there)
    train = _opened(task, [each for each in there if each[0].origin in (Origin.TRAIN, Origin.SOURCE)], erased)
    whole = _opened(task, [each for each in there if each[0].origin is Origin.CRITIC])
    experience = _opened(task, [each for each in there if each[0].origin is Origin.EXPERIENCE])
    window = _opened(task, [each for each in there if each[0].origin is Origin.WINDOW])
    critic = whole.only([i for i, each in enumerate(whole.data_subjects) if not kept_from_updates(each)])
    numbers = [number for number in (*train.row_numbers, *whole.row_numbers) if number >= 0]
    others = [*train.data_subjects, *whole.data_subjects, *experience.data_subjects]
    refuse_leak(golden.row_numbers, golden_people, numbers, others)
    asked = {row.ident: row.asked for row, _ in there if row.asked}
    return Material(
        train=train,
        critic=critic,
        checks=whole,
        golden=golden,
        experience=experience,
        golden_excluded=golden_excluded,
        window=window.rows.features if len(window.row_numbers) else whole.rows.features[:MOST_ROWS],
        asked=Asked(frozenset(asked), frozenset(ident for ident, how in asked.items() if how == RANDOM_CHECK)),
    )


def _opened(task: Task, rows: Sequence[tuple[SnapshotRow, Plain]], erased: int = 0) -> OpenedRows:
    width = 8 * len(task.schema.features)
    if any(len(plain.features) != width for _, plain in rows):
        raise SealBroken("a row has another width than the schema", where="snapshot", fix="make the snapshot anew")
    features = np.frombuffer(b"".join(plain.features for _, plain in rows), dtype="<f8")
    return OpenedRows(
        rows=LabelledRows(
            features.reshape(len(rows), len(task.schema.features)),
            np.array([plain.label for _, plain in rows], dtype=np.int64),
        ),
        row_numbers=[int.from_bytes(row.ident) if row.origin in FROM_DATA_FILE else -1 for row, _ in rows],
        data_subjects=[row.data_subject for row, _ in rows],
        erased=erased,
        experience=tuple(_experience(row) for row, _ in rows if row.origin is Origin.EXPERIENCE),
    )


def _experience(row: SnapshotRow) -> Experience:
    """As much of it as training looks at."""
    return Experience(
        prediction_id=row.ident,
        data_subject=row.data_subject,
        event_time_us=row.event_time_us,
        processing_time_us=row.event_time_us,
        sealed=b"",
        model_digest=row.model_digest,
        critic_digest="",
        policy_version=0,
        verdict=Verdict.ADMITTED,
        reason=Reason.AGREED,
        confidence=0.0,
        dissonance=0.0,
        label_source=row.label_source,
    )
