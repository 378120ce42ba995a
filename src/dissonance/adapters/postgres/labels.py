"""Labels, and the queue of requests for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dissonance.adapters.postgres.columns import Bigints, Booleans, Byteas, Floats, Texts, Uuids
from dissonance.adapters.postgres.part import StorePart, id_parameters, task_key
from dissonance.ports.labels import AskedAs, DrawnRows, LabelFigures, LabelRequest, LabelRows, QueueCounts, RequestState

DAY_US = 86_400_000_000


class PostgresLabels(StorePart):
    """`ports.labels.LabelStore`."""

    async def add_labels(self, task_id: str, rows: LabelRows) -> int:
        if not rows.prediction_ids:
            return 0
        parameters = {
            "task": task_key(task_id),
            **id_parameters(rows.prediction_ids),
            "sealed": Byteas(rows.sealed),
            "labelled_at_us": Bigints(rows.labelled_at_us),
            "right": _maybe(rows.right),
            "critic_right": _maybe(rows.critic_right),
            "shadow_right": _maybe(rows.shadow_right),
            "learnable": Booleans(rows.learnable),
            "source": rows.source,
        }
        return await self._database.execute("upsert_labels", parameters)

    async def label_figures(self, task_id: str) -> LabelFigures:
        return LabelFigures(*(await self._database.rows("label_figures", {"task": task_key(task_id)}))[0])

    async def predictions_of(
        self, task_id: str, data_subjects: Sequence[bytes], times_us: Sequence[int], within_us: int
    ) -> list[bytes | None]:
        found: list[bytes | None] = [None] * len(data_subjects)
        if data_subjects:
            parameters = {
                "task": task_key(task_id),
                "data_subjects": Byteas(data_subjects),
                "times_us": Bigints(times_us),
                "within_us": within_us,
            }
            for position, prediction_id in await self._database.rows("predictions_of", parameters):
                found[position - 1] = prediction_id
        return found

    async def ask(self, task_id: str, requests: Sequence[LabelRequest]) -> int:
        if not requests:
            return 0
        parameters = {
            "task": task_key(task_id),
            "request_ids": Uuids([each.request_id for each in requests]),
            "ids": Uuids([each.prediction_id for each in requests]),
            "data_subjects": Byteas([each.data_subject for each in requests]),
            "asked_as": Texts([each.asked_as for each in requests]),
            "propensities": Floats([each.propensity for each in requests]),
            "random_propensities": Floats([each.random_propensity for each in requests]),
            "event_times_us": Bigints([each.event_time_us for each in requests]),
            "asked_at_us": Bigints([each.asked_at_us for each in requests]),
        }
        return await self._database.execute("insert_requests", parameters)

    async def asked_on(self, task_id: str, days: Sequence[int]) -> dict[int, int]:
        if not days:
            return {}
        bounds = {"start_us": min(days) * DAY_US, "end_us": (max(days) + 1) * DAY_US}
        rows = await self._database.rows("asked_on", {"task": task_key(task_id), **bounds})
        return {day: count for day, count in rows if day in set(days)}

    async def drawn_rows(self, task_id: str, start_us: int, end_us: int, newest: int) -> DrawnRows:
        parameters = {"task": task_key(task_id), "start_us": start_us, "end_us": end_us, "newest": newest}
        rows = await self._database.rows("drawn_rows", parameters)
        return DrawnRows(*([row[column] for row in rows] for column in range(5)))

    async def lease(self, task_id: str, count: int, *, by: str, now_us: int, until_us: int) -> list[LabelRequest]:
        parameters = {"task": task_key(task_id), "count": count, "by": by, "now_us": now_us, "until_us": until_us}
        return [_request(row) for row in await self._database.rows("lease", parameters)]

    async def settle(self, task_id: str, request_ids: Sequence[bytes], state: RequestState, *, by: str = "") -> int:
        if not request_ids:
            return 0
        parameters = {"task": task_key(task_id), "ids": Uuids(request_ids), "state": state.value, "by": by}
        return await self._database.execute("settle", parameters)

    async def settle_answered(self, task_id: str, prediction_ids: Sequence[bytes]) -> int:
        if not prediction_ids:
            return 0
        parameters = {"task": task_key(task_id), "ids": Uuids(prediction_ids)}
        return await self._database.execute("settle_answered", parameters)

    async def requests(
        self, task_id: str, *, state: RequestState | None = None, limit: int = 1000
    ) -> list[LabelRequest]:
        parameters = {"task": task_key(task_id), "state": state.value if state else "", "limit": limit}
        return [_request(row) for row in await self._database.rows("requests", parameters)]

    async def requests_for(self, task_id: str, prediction_ids: Sequence[bytes]) -> list[LabelRequest]:
        return await self._requests("requests_for", task_id, prediction_ids)

    async def request(self, task_id: str, request_id: bytes) -> LabelRequest | None:
        found = await self._requests("requests_by_id", task_id, [request_id])
        return found[0] if found else None

    async def queue_counts(self, task_id: str, now_us: int) -> QueueCounts:
        by_state: dict[RequestState, int] = {}
        by_reason: dict[AskedAs, int] = {}
        for state, asked_as, count in await self._database.rows(
            "queue_counts", {"task": task_key(task_id), "now_us": now_us}
        ):
            by_state[RequestState(state)] = by_state.get(RequestState(state), 0) + count
            by_reason[AskedAs(asked_as)] = by_reason.get(AskedAs(asked_as), 0) + count
        return QueueCounts(by_state, by_reason)

    async def _requests(self, query: str, task_id: str, ids: Sequence[bytes]) -> list[LabelRequest]:
        if not ids:
            return []
        rows = await self._database.rows(query, {"task": task_key(task_id), "ids": Uuids(ids)})
        return [_request(row) for row in rows]


def _maybe(values: Sequence[bool | None]) -> Bigints:
    """1, 0, or -1 for None, which an array of ours cannot hold."""
    return Bigints([-1 if value is None else int(value) for value in values])


def _request(row: tuple[Any, ...]) -> LabelRequest:
    names = LabelRequest.__struct_fields__
    fields = dict(zip(names, row, strict=True))
    return LabelRequest(**fields | {"asked_as": AskedAs(row[3]), "state": RequestState(row[8])})
