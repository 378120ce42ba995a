"""Contradicted in, judged out: the verdict, its budget and its link in the hash chain are one transaction.

A row that was judged before keeps its verdict, so repeated messages spend no budget twice. When another replica
was faster, the gate reads again and decides again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec
import numpy as np

from dissonance.contracts.columns import concatenated, derived_id, pieces, selected
from dissonance.contracts.events import Contradicted, Event, Judged
from dissonance.contracts.verdicts import Reason, Verdict
from dissonance.decisions.inputs import InputRows, counted_before, hours_of, judge_inputs
from dissonance.decisions.rows import widths_outside
from dissonance.errors import EngineUnavailable
from dissonance.ports.clock import Clock
from dissonance.ports.keys import DataSubjectKeys
from dissonance.ports.store import VerdictRows, VerdictStore
from dissonance.roles.catalogue import Catalogue, TaskContext
from dissonance.security.rows import features_matrix, open_rows

PRODUCER = "gate"
TRIES = 8
EVIDENCE_KIND = "inputs"

Judgement = tuple[Verdict, Reason, int]
"""Verdict, reason and the policy version it rests on."""


class JudgesRows(VerdictStore, Protocol):
    """What the gate needs of a store to judge inputs."""

    async def rows_per_hour(
        self, task_id: str, data_subjects: Sequence[bytes], hours: Sequence[int]
    ) -> dict[tuple[bytes, int], int]: ...


class Gate:
    def __init__(self, catalogue: Catalogue, store: JudgesRows, keys: DataSubjectKeys, clock: Clock) -> None:
        self._catalogue = catalogue
        self._store = store
        self._keys = keys
        self._clock = clock

    async def handle(self, events: Sequence[Event]) -> list[Event]:
        groups: dict[tuple[str, ...], list[Contradicted]] = {}
        for event in events:
            if isinstance(event, Contradicted):
                models = (event.model_digest, event.critic_digest, event.shadow_digest)
                key = (event.task_id, event.policy_digest, *models)
                groups.setdefault(key, []).append(event)
        judged: list[Event] = []
        for group in groups.values():
            batch = concatenated(group, derived_id(PRODUCER, [event.event_id for event in group]))
            judged.extend(piece for part in await self._judge(_each_row_once(batch)) for piece in pieces(part))
        return judged

    async def _judge(self, event: Contradicted) -> list[Judged]:
        """One `Judged` per policy version that a verdict of the batch rests on."""
        context = await self._catalogue.by_id(event.task_id)
        for _ in range(TRIES):
            known = await self._store.judged(event.task_id, event.prediction_ids)
            new = [i for i, prediction_id in enumerate(event.prediction_ids) if prediction_id not in known]
            if not new:
                return self._with_verdicts(event, known)
            fresh = selected(event, new, event.event_id)
            rows = await self._rows(context, fresh)
            hours = sorted(set(hours_of(fresh.event_times_us)))
            spent = await self._store.budget_spent(event.task_id, hours)
            verdicts, reasons = judge_inputs(rows, context.policy, spent)
            record = VerdictRows(
                fresh.prediction_ids,
                fresh.event_times_us,
                verdicts,
                reasons,
                self._evidence(context, fresh, verdicts, reasons, rows, spent),
                context.policy.version,
            )
            if await self._store.record_verdicts(event.task_id, record, spent):
                for prediction_id, verdict, reason in zip(fresh.prediction_ids, verdicts, reasons, strict=True):
                    known[prediction_id] = (verdict, reason, context.policy.version)
                return self._with_verdicts(event, known)
        raise EngineUnavailable(
            f"other gates were faster {TRIES} times", where="gate", fix="nothing: the message is tried again"
        )

    async def _rows(self, context: TaskContext, event: Contradicted) -> InputRows:
        width = len(context.task.schema.features)
        keys = await self._keys.find(event.task_id, list(set(event.data_subjects)))
        rows = open_rows(keys, event.task_id, event.prediction_ids, event.data_subjects, event.sealed)
        erased = np.array([row is None for row in rows])
        fits = np.array([row is None or len(row.features) == 8 * width for row in rows])
        outside = np.zeros(len(rows))
        whole = np.flatnonzero(fits & ~erased)
        if len(whole):
            features = features_matrix([row for i in whole if (row := rows[i]) is not None], width)
            outside[whole] = widths_outside(context.task.schema, features).max(axis=1, initial=0.0)
        return InputRows(
            dissonances=np.array(event.dissonances),
            doubts=1.0 - np.array(event.confidences),
            erased=erased,
            fits_schema=fits,
            widths_outside=outside,
            rows_before=np.array(await self._rows_before(context, event), dtype=np.int64),
            event_times_us=np.array(event.event_times_us, dtype=np.int64),
        )

    async def _rows_before(self, context: TaskContext, event: Contradicted) -> list[int]:
        """Rows about nobody in particular share a data subject, and are no burst."""
        if context.task.data_subject_column is None:
            return [0] * event.rows
        hours = hours_of(event.event_times_us)
        stored = await self._store.rows_per_hour(event.task_id, list(set(event.data_subjects)), sorted(set(hours)))
        return counted_before(event.data_subjects, hours, stored)

    @staticmethod
    def _evidence(
        context: TaskContext,
        event: Contradicted,
        verdicts: list[Verdict],
        reasons: list[Reason],
        rows: InputRows,
        spent: dict[int, int],
    ) -> bytes:
        """All that the verdicts rest on, so that they can be replayed (design section 4)."""
        return msgspec.msgpack.encode(
            {
                "kind": EVIDENCE_KIND,
                "policy": context.policy,
                "model_digest": event.model_digest,
                "critic_digest": event.critic_digest,
                "prediction_ids": event.prediction_ids,
                "event_times_us": event.event_times_us,
                "confidences": event.confidences,
                "dissonances": event.dissonances,
                "erased": rows.erased.tolist(),
                "fits_schema": rows.fits_schema.tolist(),
                "widths_outside": rows.widths_outside.tolist(),
                "rows_before": rows.rows_before.tolist(),
                "spent": spent,
                "verdicts": verdicts,
                "reasons": reasons,
            }
        )

    def _with_verdicts(self, event: Contradicted, known: dict[bytes, Judgement]) -> list[Judged]:
        by_version: dict[int, list[int]] = {}
        for position, prediction_id in enumerate(event.prediction_ids):
            by_version.setdefault(known[prediction_id][2], []).append(position)
        judged = []
        for version, positions in by_version.items():
            part = selected(event, positions, derived_id(event.event_id, [str(version)]))
            columns = {name: getattr(part, name) for name in Contradicted.__struct_fields__}
            columns |= {"producer": PRODUCER, "produced_at_us": self._clock.now_us()}
            verdicts = [known[prediction_id] for prediction_id in part.prediction_ids]
            judged.append(
                Judged(
                    **columns,
                    verdicts=[verdict for verdict, _, _ in verdicts],
                    reasons=[reason for _, reason, _ in verdicts],
                    policy_version=version,
                )
            )
        return judged


def _each_row_once(event: Contradicted) -> Contradicted:
    """A message that came twice may lie twice in one batch."""
    first = {prediction_id: i for i, prediction_id in reversed(list(enumerate(event.prediction_ids)))}
    if len(first) == event.rows:
        return event
    return selected(event, sorted(first.values()), event.event_id)
