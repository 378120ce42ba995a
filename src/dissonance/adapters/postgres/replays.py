"""Replays and the verdicts that came out otherwise in them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec
import psycopg

from dissonance.adapters.postgres.columns import Bigints, Texts, Uuids
from dissonance.adapters.postgres.failures import caused_by
from dissonance.adapters.postgres.part import CHUNK_ROWS, StorePart, task_key, unknown_task
from dissonance.contracts.verdicts import Reason
from dissonance.errors import EngineError
from dissonance.ports.replays import ReplayedVerdict, ReplayRecord


class PostgresReplays(StorePart):
    """`ports.replays.ReplayStore`."""

    async def add_replayed(self, task_id: str, replay_id: str, verdicts: Sequence[ReplayedVerdict]) -> int:
        new = 0
        for start in range(0, len(verdicts), CHUNK_ROWS):
            chunk = verdicts[start : start + CHUNK_ROWS]
            parameters = {
                "task": task_key(task_id),
                "replay_id": replay_id,
                "ids": Uuids([verdict.prediction_id for verdict in chunk]),
                "times_us": Bigints([verdict.event_time_us for verdict in chunk]),
                "recorded": Texts([verdict.recorded.value for verdict in chunk]),
                "replayed": Texts([verdict.replayed.value for verdict in chunk]),
            }
            new += await self._written(task_id, "add_replayed", parameters)
        return new

    async def save_replay(self, task_id: str, record: ReplayRecord) -> bool:
        parameters = {
            "task": task_key(task_id),
            "replay_id": record.replay_id,
            "body": msgspec.json.encode(record).decode(),
            "at_us": record.made_at_us,
        }
        return bool(await self._written(task_id, "save_replay", parameters))

    async def replays(self, task_id: str, limit: int = 100) -> list[ReplayRecord]:
        rows = await self._database.rows("replays", {"task": task_key(task_id), "limit": limit})
        return [msgspec.json.decode(body, type=ReplayRecord) for (body,) in rows]

    async def replayed(
        self, task_id: str, replay_id: str, limit: int = 1000, after: bytes = bytes(16)
    ) -> list[ReplayedVerdict]:
        parameters = {
            "task": task_key(task_id),
            "replay_id": replay_id,
            "after": UUID(bytes=after),
            "limit": limit,
        }
        rows = await self._database.rows("replayed", parameters)
        return [ReplayedVerdict(row[0].bytes, row[1], Reason(row[2]), Reason(row[3])) for row in rows]

    async def _written(self, task_id: str, query: str, parameters: dict[str, object]) -> int:
        try:
            return await self._database.execute(query, parameters)
        except EngineError as error:
            if caused_by(error, psycopg.errors.ForeignKeyViolation):
                raise unknown_task(task_id) from error
            raise
