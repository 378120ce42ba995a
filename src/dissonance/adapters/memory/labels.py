"""Labels and the label queue in memory (`ports.labels.LabelStore`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from dissonance.adapters.memory.held import Held
from dissonance.adapters.memory.task_rows import LabelLine
from dissonance.contracts.verdicts import Reason, Verdict
from dissonance.ports.labels import (
    AskedAs,
    DrawnRows,
    LabelFigures,
    LabelRequest,
    LabelRows,
    QueueCounts,
    RequestState,
)

DAY_US = 86_400_000_000
BUDGETED = (AskedAs.RANDOM_CHECK, AskedAs.CHOSEN)
FIRST = {AskedAs.SECOND_LOOK: 0, AskedAs.RANDOM_CHECK: 1}
UNSETTLED = (RequestState.OPEN, RequestState.LEASED)


class MemoryLabels(Held):
    async def add_labels(self, task_id: str, rows: LabelRows) -> int:
        known = self._known(task_id)
        if known is None:
            return 0
        changed = set()
        for i, prediction_id in enumerate(rows.prediction_ids):
            before = known.labels.get(prediction_id)
            at_us = rows.labelled_at_us[i]
            if prediction_id not in known.experience or (before is not None and before.labelled_at_us >= at_us):
                continue
            known.labels[prediction_id] = LabelLine(
                rows.sealed[i],
                at_us,
                rows.right[i],
                rows.critic_right[i],
                rows.shadow_right[i],
                rows.learnable[i],
                rows.source,
            )
            changed.add(prediction_id)
        return len(changed)

    async def label_figures(self, task_id: str) -> LabelFigures:
        known = self._known(task_id)
        labels = known.labels if known is not None else {}
        there = {each: label for each, label in labels.items() if label.right is not None}
        learnable = [each for each, label in there.items() if label.learnable]
        rows = self._experience(task_id)
        return LabelFigures(
            joined=len(there),
            learnable=sum(rows[each].verdict is Verdict.ADMITTED for each in learnable),
            waiting=len(there) - len(learnable),
            withdrawn=len(labels) - len(there),
            latest_labelled_at_us=max((label.labelled_at_us for label in there.values()), default=None),
        )

    async def predictions_of(
        self, task_id: str, data_subjects: Sequence[bytes], times_us: Sequence[int], within_us: int
    ) -> list[bytes | None]:
        rows = list(self._experience(task_id).values())
        found: list[bytes | None] = []
        for data_subject, time_us in zip(data_subjects, times_us, strict=True):
            near = [
                (row.event_time_us, row.prediction_id)
                for row in rows
                if row.data_subject == data_subject and time_us - within_us <= row.event_time_us <= time_us
            ]
            found.append(max(near)[1] if near else None)
        return found

    async def ask(self, task_id: str, requests: Sequence[LabelRequest]) -> int:
        known = self._known(task_id)
        if known is None:
            return 0
        before = len(known.requests)
        for request in requests:
            known.requests.setdefault(request.request_id, request)
        return len(known.requests) - before

    async def asked_on(self, task_id: str, days: Sequence[int]) -> dict[int, int]:
        counted = Counter(
            request.event_time_us // DAY_US
            for request in self._requests(task_id)
            if request.asked_as in BUDGETED and request.event_time_us // DAY_US in days
        )
        return dict(counted)

    async def drawn_rows(self, task_id: str, start_us: int, end_us: int, newest: int) -> DrawnRows:
        rows = [
            row
            for row in self._experience(task_id).values()
            if start_us <= row.event_time_us < end_us and row.reason is not Reason.ERASED
        ]
        rows = sorted(rows, key=lambda row: (row.event_time_us, row.prediction_id))[-newest:]
        drawn = {each.prediction_id: each.propensity for each in self._requests(task_id) if each.asked_as in BUDGETED}
        known = self._known(task_id)
        there = {
            each: label
            for each, label in (known.labels if known is not None else {}).items()
            if each in drawn and label.right is not None and label.learnable
        }
        labels = [there.get(row.prediction_id) for row in rows]
        return DrawnRows(
            [row.event_time_us for row in rows],
            [row.confidence for row in rows],
            [drawn.get(row.prediction_id) for row in rows],
            [None if label is None else label.labelled_at_us for label in labels],
            [None if label is None else label.right for label in labels],
        )

    async def lease(self, task_id: str, count: int, *, by: str, now_us: int, until_us: int) -> list[LabelRequest]:
        free = [request for request in self._requests(task_id) if _is_free(request, now_us)]
        free.sort(key=lambda request: (FIRST.get(request.asked_as, 2), -request.event_time_us, request.request_id))
        taken = [
            msgspec.structs.replace(request, state=RequestState.LEASED, leased_by=by, leased_until_us=until_us)
            for request in free[:count]
        ]
        for request in taken:
            self._of(task_id).requests[request.request_id] = request
        return taken

    async def settle(self, task_id: str, request_ids: Sequence[bytes], state: RequestState, *, by: str = "") -> int:
        return self._settle(
            task_id,
            [
                request
                for request in self._requests(task_id)
                if request.request_id in request_ids
                and request.state in UNSETTLED
                and (not by or (request.state is RequestState.LEASED and request.leased_by == by))
            ],
            state,
        )

    async def settle_answered(self, task_id: str, prediction_ids: Sequence[bytes]) -> int:
        return self._settle(
            task_id,
            [
                request
                for request in self._requests(task_id)
                if request.prediction_id in prediction_ids
                and request.state in UNSETTLED
                and request.asked_as is not AskedAs.SECOND_LOOK
            ],
            RequestState.ANSWERED,
        )

    async def requests(
        self, task_id: str, *, state: RequestState | None = None, limit: int = 1000
    ) -> list[LabelRequest]:
        found = [request for request in self._requests(task_id) if state is None or request.state is state]
        return sorted(found, key=lambda request: (-request.event_time_us, request.request_id))[:limit]

    async def requests_for(self, task_id: str, prediction_ids: Sequence[bytes]) -> list[LabelRequest]:
        return [request for request in self._requests(task_id) if request.prediction_id in prediction_ids]

    async def request(self, task_id: str, request_id: bytes) -> LabelRequest | None:
        return next((each for each in self._requests(task_id) if each.request_id == request_id), None)

    async def queue_counts(self, task_id: str, now_us: int) -> QueueCounts:
        requests = self._requests(task_id)
        states = Counter(RequestState.OPEN if _is_free(request, now_us) else request.state for request in requests)
        return QueueCounts(dict(states), dict(Counter(request.asked_as for request in requests)))

    def _requests(self, task_id: str) -> list[LabelRequest]:
        known = self._known(task_id)
        return list(known.requests.values()) if known is not None else []

    def _settle(self, task_id: str, requests: Sequence[LabelRequest], state: RequestState) -> int:
        for request in requests:
            settled = msgspec.structs.replace(request, state=state, leased_by="", leased_until_us=0)
            self._of(task_id).requests[request.request_id] = settled
        return len(requests)


def _is_free(request: LabelRequest, now_us: int) -> bool:
    return request.state is RequestState.OPEN or (
        request.state is RequestState.LEASED and request.leased_until_us <= now_us
    )
