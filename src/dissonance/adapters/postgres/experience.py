"""The experience: every input with its prediction, doubt, verdict and, later, its label."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from functools import lru_cache, partial
from itertools import chain
from typing import Any
from uuid import UUID

from dissonance.adapters.postgres import partitions
from dissonance.adapters.postgres.columns import Bigints, Byteas, Floats, Texts, Uuids
from dissonance.adapters.postgres.database import Parameters
from dissonance.adapters.postgres.packed import Kind, Packed, packed_pages
from dissonance.adapters.postgres.part import CHUNK_ROWS, digest_bytes, id_parameters, task_key
from dissonance.adapters.postgres.weekly import WeeklyPart
from dissonance.contracts.events import Judged
from dissonance.contracts.ids import uuid7_floor
from dissonance.contracts.times import HOUR_US, LATEST_US
from dissonance.contracts.verdicts import Reason, Verdict
from dissonance.ports.store import Counts, Experience, LearnableRows, Outcome, Sureness, Window, WindowFigures

DIGESTS_KEPT = 256
"""As hex digits: there are few, and every row names three."""

LEARNABLE = {
    "prediction_id": Kind.VALUE,
    "event_time_us": Kind.INTEGER,
    "data_subject": Kind.VALUE,
    "sealed": Kind.VALUE,
    "label": Kind.VALUE,
    "model_digest": Kind.VALUE,
    "source": Kind.VALUE,
}
"""As `LearnableRows` has columns."""

BEFORE_ALL: Parameters = {"after": UUID(int=0)}

_VERDICTS = {each.value: each for each in Verdict}
_REASONS = {each.value: each for each in Reason}
_hex = lru_cache(DIGESTS_KEPT)(bytes.hex)


class PostgresExperience(WeeklyPart):
    """`ports.store.ExperienceStore`."""

    async def record(self, batches: Sequence[Judged]) -> int:
        """One statement per 2,000 rows, whatever messages and tasks they came in (see `columns`).

        Rows of a task that does not exist (any more) are not stored. Raises `MalformedEvent` for an id that is no
        UUID of version 7 or a digest that is not hex; then nothing was stored.
        """
        ids = _joined(batch.prediction_ids for batch in batches)
        if not ids:
            return 0
        events = _event_parameters(batches)
        columns = _row_columns(batches)
        new = 0
        for start in range(0, len(ids), CHUNK_ROWS):
            chunk = slice(start, start + CHUNK_ROWS)
            parameters = events | {name: kind(values[chunk]) for name, (kind, values) in columns.items()}
            new += await self.with_weeks(ids[chunk], partial(self._database.execute, "insert_experience", parameters))
        return new

    async def data_subjects_of(self, task_id: str, prediction_ids: Sequence[bytes]) -> dict[bytes, tuple[bytes, int]]:
        rows = await self._by_ids("data_subjects_of", task_id, prediction_ids)
        return {prediction_id: (data_subject, time_us) for prediction_id, data_subject, time_us in rows}

    async def outcomes(self, task_id: str, prediction_ids: Sequence[bytes]) -> dict[bytes, Outcome]:
        rows = await self._by_ids("outcomes", task_id, prediction_ids)
        return {each: Outcome(c, d, Verdict(verdict), Reason(reason)) for each, c, d, verdict, reason in rows}

    async def find(self, task_id: str, prediction_ids: Sequence[bytes]) -> dict[bytes, Experience]:
        return {row[0]: _experience(row) for row in await self._by_ids("find", task_id, prediction_ids)}

    async def _by_ids(self, query: str, task_id: str, prediction_ids: Sequence[bytes]) -> list[tuple[Any, ...]]:
        if not prediction_ids:
            return []
        return await self._database.rows(query, {"task": task_key(task_id), **id_parameters(prediction_ids)})

    async def figures(self, task_id: str, start_us: int, end_us: int, d_target: float) -> WindowFigures:
        parameters = {"task": task_key(task_id), "start_us": start_us, "end_us": end_us, "d_target": d_target}
        return WindowFigures(*(await self._database.rows("figures", parameters))[0])

    async def between(self, task_id: str, start_us: int, end_us: int, newest: int | None = None) -> list[Experience]:
        parameters = {"task": task_key(task_id), "start_us": start_us, "end_us": end_us, "newest": newest}
        return [_experience(row) for row in (await self._database.rows("between", parameters))[::-1]]

    async def learnable(self, task_id: str, as_of_us: int = LATEST_US) -> AsyncGenerator[LearnableRows, None]:
        parameters = {"task": task_key(task_id), "as_of_us": as_of_us, **BEFORE_ALL}
        pages = packed_pages(self._database, "learnable", LEARNABLE, parameters, _last)
        async with aclosing(pages):
            async for columns in pages:
                yield self._learnable(columns)

    async def answered(self, task_id: str, model_digest: str, outside: Window, newest: int) -> LearnableRows:
        parameters = {
            "task": task_key(task_id),
            "model": digest_bytes(model_digest),
            "start_us": outside.start_us,
            "end_us": outside.end_us,
            "newest": newest,
        }
        rows = await self._database.rows("answered", parameters)
        return self._learnable(
            [list(column) for column in zip(*reversed(rows), strict=True)] or [[] for _ in LEARNABLE]
        )

    def _learnable(self, columns: Sequence[list[Any]]) -> LearnableRows:
        *others, models, sources = columns
        return LearnableRows._make((*others, _each(_hex, models), _each(self._source, sources)))

    def _source(self, stored: bytes) -> str:
        return self._database.opened(stored.decode())

    async def rows_per_hour(
        self, task_id: str, data_subjects: Sequence[bytes], hours: Sequence[int]
    ) -> dict[tuple[bytes, int], int]:
        if not data_subjects or not hours:
            return {}
        parameters = {
            "task": task_key(task_id),
            "data_subjects": Byteas(data_subjects),
            "start_us": min(hours) * HOUR_US,
            "end_us": (max(hours) + 1) * HOUR_US,
        }
        rows = await self._database.rows("rows_per_hour", parameters)
        wanted = set(hours)
        return {(data_subject, hour): count for data_subject, hour, count in rows if hour in wanted}

    async def nth_event_time_us(self, task_id: str, from_us: int, n: int) -> int | None:
        parameters = {"task": task_key(task_id), "from_us": from_us, "skipped": n - 1}
        rows = await self._database.rows("nth_event_time", parameters)
        return int(rows[0][0]) if rows else None

    async def least_sure(self, task_id: str, start_us: int, end_us: int, n: int) -> Sureness | None:
        parameters = {"task": task_key(task_id), "start_us": start_us, "end_us": end_us, "skipped": n - 1}
        rows = await self._database.rows("least_sure", parameters)
        return Sureness(*rows[0]) if rows else None

    async def counts(self, task_id: str) -> Counts:
        task = {"task": task_key(task_id)}
        admitted, blocked = (await self._database.rows("count_rows", task))[0]
        return Counts(admitted, blocked, (await self._database.rows("count_labels", task))[0][0])

    async def latest_event_time_us(self, task_id: str) -> int | None:
        latest: int | None = (await self._database.rows("latest_event_time", {"task": task_key(task_id)}))[0][0]
        return latest

    async def retain(self, task_id: str, oldest_us: int) -> int:
        """Weeks in which nothing else is left are dropped whole, each in a short transaction; other rows one by one."""
        dropped = 0
        oldest_week = oldest_us // 1000 // partitions.WEEK_MS
        async with self._database.connection("retain", limited=False) as connection:
            weeks = [week for week in await partitions.existing_weeks(connection) if week < oldest_week]
            for week in sorted(weeks):
                async with connection.transaction():
                    task = task_key(task_id)
                    gone = await partitions.drop_if_only(connection, week, task.bytes, oldest_us)
                    await self._count(connection, task_id, oldest_us, gone or (0, 0))
                if gone is not None:
                    self._weeks.discard(week)
                    dropped += gone[0]
            async with connection.transaction():
                await connection.execute("SET LOCAL statement_timeout = 0")
                rows = await self._database.rows_on(
                    connection, "delete_before", {"task": task_key(task_id), "oldest_us": oldest_us}
                )
                await self._count(connection, task_id, oldest_us, rows[0])
                # Rows that are not stored yet keep what was asked about them.
                below = UUID(bytes=uuid7_floor(oldest_us + 1_000))
                for query in ("drop_requests", "drop_replayed"):
                    await self._database.execute_on(connection, query, {"task": task_key(task_id), "below": below})
        return dropped + int(rows[0][0])

    async def _count(self, connection: Any, task_id: str, oldest_us: int, gone: Sequence[int]) -> None:
        if gone[0]:
            parameters = {
                "task": task_key(task_id),
                "at_us": self._clock.now_us(),
                "oldest_us": oldest_us,
                "rows": gone[0],
                "labels": gone[1],
            }
            await self._database.execute_on(connection, "insert_retention_count", parameters)

    async def dropped_by_retention(self, task_id: str) -> int:
        rows = await self._database.rows("dropped_by_retention", {"task": task_key(task_id)})
        return int(rows[0][0])


def _each(function: Callable[[bytes], str], values: Sequence[bytes]) -> list[str]:
    """Of values of which there are few different ones."""
    known = {each: function(each) for each in set(values)}
    return list(map(known.__getitem__, values))


def _last(columns: Sequence[Packed]) -> Parameters:
    return {"after": UUID(bytes=columns[0].joined[-16:])}


def _joined(columns: Any) -> list[Any]:
    return list(chain.from_iterable(columns))


def _event_parameters(batches: Sequence[Judged]) -> dict[str, object]:
    """What is the same in all rows of a message, one element a message."""
    return {
        "tasks": Uuids([task_key(batch.task_id).bytes for batch in batches]),
        "model_digests": Byteas([digest_bytes(batch.model_digest) for batch in batches]),
        "critic_digests": Byteas([digest_bytes(batch.critic_digest) for batch in batches]),
        "shadow_digests": Byteas([digest_bytes(batch.shadow_digest) for batch in batches]),
        "policy_versions": Bigints([batch.policy_version for batch in batches]),
    }


def _row_columns(batches: Sequence[Judged]) -> dict[str, tuple[Any, list[Any]]]:
    """Parameter, its kind, and the values of all messages; `events` says which message a row came in, from 1."""
    return {
        "events": (Bigints, _joined([number] * batch.rows for number, batch in enumerate(batches, start=1))),
        "ids": (Uuids, _joined(batch.prediction_ids for batch in batches)),
        "event_times_us": (Bigints, _joined(batch.event_times_us for batch in batches)),
        "processing_times_us": (Bigints, _joined(batch.processing_times_us for batch in batches)),
        "confidences": (Floats, _joined(batch.confidences for batch in batches)),
        "dissonances": (Floats, _joined(batch.dissonances for batch in batches)),
        "propensities": (Floats, _joined(batch.propensities for batch in batches)),
        "data_subjects": (Byteas, _joined(batch.data_subjects for batch in batches)),
        "verdicts": (Texts, _joined(batch.verdicts for batch in batches)),
        "reasons": (Texts, _joined(batch.reasons for batch in batches)),
        "canary_arms": (Texts, _joined(batch.canary_arms for batch in batches)),
        "sealed": (Byteas, _joined(batch.sealed for batch in batches)),
    }


def _experience(row: tuple[Any, ...]) -> Experience:
    """A row of `find` or `between`, whose columns are in the order of `Experience`."""
    fields = list(row)
    fields[5:7] = _hex(row[5]), _hex(row[6])
    fields[8:10] = _VERDICTS[row[8]], _REASONS[row[9]]
    fields[16] = _hex(row[16])
    return Experience(*fields)
