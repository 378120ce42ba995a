"""A database that nobody answers at is given up after two callers waited; the others are told at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psycopg
import pytest

from dissonance.adapters.memory.clock import FixedClock
from dissonance.adapters.postgres.database import FAILURES, REST_S, Database
from dissonance.adapters.postgres.failures import is_unreachable, translated
from dissonance.errors import EngineError, EngineUnavailable
from dissonance.ports.breaker import Breaker, BreakerState


def test_database_that_is_away_is_not_waited_for_by_everybody(tmp_path: Path) -> None:
    clock = FixedClock()
    breaker = Breaker("experience database", clock, failures=FAILURES, rest_s=REST_S)

    async def story() -> None:
        url = f"postgresql:///nothing?host={tmp_path}"
        database = Database(url, queries="queries.sql", connections=1, breaker=breaker)
        try:
            callers = (database.rows("revision", {}) for _ in range(FAILURES))
            for failure in await asyncio.gather(*callers, return_exceptions=True):
                assert isinstance(failure, EngineUnavailable) and "could not" in failure.what
            with pytest.raises(EngineUnavailable, match="a moment ago"):
                await database.rows("revision", {})
            clock.advance(REST_S)
            assert breaker.state is BreakerState.OPEN and breaker.admits()
        finally:
            await database.close()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("raised", "unreachable"),
    [
        (psycopg.OperationalError("connection refused"), True),
        (psycopg.InterfaceError("closed"), True),
        (psycopg.errors.AdminShutdown("bye"), True),
        (psycopg.errors.CannotConnectNow("starting"), True),
        (psycopg.errors.ConnectionFailure("broken"), True),
        (psycopg.errors.DeadlockDetected("deadlock"), False),
        (psycopg.errors.QueryCanceled("too long"), False),
        (psycopg.errors.DiskFull("full"), False),
        (psycopg.errors.UniqueViolation("twice"), False),
    ],
)
def test_only_what_says_that_nobody_is_there_counts(raised: psycopg.Error, unreachable: bool) -> None:
    with pytest.raises(EngineError) as caught, translated("ask"):
        raise raised
    assert is_unreachable(caught.value) is unreachable
