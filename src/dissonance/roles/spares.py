"""Rows that came under spare keys (ADR 40) go on under the keys of their data subjects."""

from __future__ import annotations

import msgspec

from dissonance.contracts.events import Predicted
from dissonance.ports.clock import Randomness
from dissonance.ports.keys import DataSubjectKeys
from dissonance.security.rows import open_rows, seal_rows
from dissonance.security.spare_rows import spare_of, unmarked


async def settled(keys: DataSubjectKeys, event: Predicted, randomness: Randomness) -> Predicted:
    """The event with every row sealed under its data subject's key, and nothing else changed.

    Where the spare key became that key, the bytes stay; where there was another key, the row is opened and sealed anew.
    A row of somebody who was erased stays as it is, and opens for nobody. May be called again with the same event.
    Raises `EngineUnavailable`.
    """
    spares = {
        spare_id: data_subject
        for blob, data_subject in zip(event.sealed, event.data_subjects, strict=True)
        if (spare_id := spare_of(blob)) is not None
    }
    if not spares:
        return event
    opening = await keys.adopt(event.task_id, spares)
    there = await keys.find(event.task_id, list(set(spares.values())))
    sealed = [unmarked(blob) for blob in event.sealed]
    for position, blob in enumerate(event.sealed):
        spare_key = opening.get(spare_of(blob) or b"")
        data_subject = event.data_subjects[position]
        if spare_key is not None and there.get(data_subject, spare_key) != spare_key:
            where = (event.task_id, [event.prediction_ids[position]], [data_subject])
            [row] = open_rows({data_subject: spare_key}, *where, [sealed[position]])
            assert row is not None
            [sealed[position]] = seal_rows(there, *where, [row], randomness)
    return msgspec.structs.replace(event, sealed=sealed)
