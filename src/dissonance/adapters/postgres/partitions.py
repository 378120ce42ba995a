"""Weekly partitions of the tables that are keyed by prediction id, made when a row needs one.

A prediction id starts with the milliseconds at which it was made (RFC 9562), so a week is a range of ids, and
retention drops whole weeks. Weeks are counted from 1970-01-01, a Thursday. Tables are the owner's: functions of
his make and drop them (ADR 58).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from psycopg import sql

from dissonance.adapters.postgres.database import Connection
from dissonance.contracts.ids import LATEST_MS, uuid7_floor, uuid7_time_us

WEEK_MS = 7 * 86_400_000
LOCK_KEY = 0x6469_7373_6F6E  # "disson": one number for all replicas
LOCK_TIMEOUT = "2s"


def weeks_of(prediction_ids: Sequence[bytes]) -> set[int]:
    """The weeks that these ids were made in. Raises `MalformedEvent` for an id that is no UUID of version 7.

    >>> weeks_of([uuid7_floor(0)[:6] + b"\\x70\\x00\\x80" + bytes(7)])
    {0}
    """
    if not prediction_ids:
        return set()
    joined = b"".join(prediction_ids)
    if any(len(prediction_id) != 16 for prediction_id in prediction_ids):
        return {uuid7_time_us(prediction_id) // 1000 // WEEK_MS for prediction_id in prediction_ids}
    halves = np.frombuffer(joined, dtype=">u8").reshape(-1, 2)
    wrong = np.flatnonzero(((halves[:, 0] >> 12) & 0xF != 7) | (halves[:, 1] >> 62 != 0b10))
    if len(wrong):
        uuid7_time_us(prediction_ids[int(wrong[0])])
    return {int(week) for week in np.unique((halves[:, 0] >> 16) // WEEK_MS)}


async def make(connection: Connection, weeks: Sequence[int]) -> None:
    """Make the partitions of these weeks that are not there, in a short transaction of their own.

    Attaching a table leaves rows that others insert meanwhile undisturbed; replicas take turns by an advisory lock.
    """
    async with connection.transaction():
        await _take_turns(connection)
        there = await existing_weeks(connection)
        for week in sorted(set(weeks) - there):
            low = uuid7_floor(week * WEEK_MS * 1000).hex()
            high = uuid7_floor(min((week + 1) * WEEK_MS, LATEST_MS) * 1000).hex()
            await connection.execute("SELECT make_week(%s, %s::text::uuid, %s::text::uuid)", (week, low, high))


async def existing_weeks(connection: Connection) -> set[int]:
    cursor = await connection.execute(
        "SELECT substring(c.relname FROM '[0-9]+$')::bigint FROM pg_inherits i"
        " JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'experience'::regclass"
    )
    return {week for (week,) in await cursor.fetchall()}


async def drop_if_only(connection: Connection, week: int, task: bytes, oldest_us: int) -> tuple[int, int] | None:
    """Drop a week in which nothing else is left; returns how many rows and labels it held.

    None, and nothing dropped, when the week has a row of another task or one processed at or after `oldest_us`.
    Call it inside a transaction.
    """
    await _take_turns(connection)
    if week not in await existing_weeks(connection):
        return 0, 0
    cursor = await connection.execute(
        "SELECT rows, labelled FROM drop_week(%s, %s::text::uuid, %s)", (week, task.hex(), oldest_us)
    )
    ((rows, labelled),) = await cursor.fetchall()
    return None if rows is None else (rows, labelled)


async def _take_turns(connection: Connection) -> None:
    await connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(LOCK_TIMEOUT)))
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK_KEY,))
