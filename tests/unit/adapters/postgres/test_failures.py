from __future__ import annotations

import psycopg
import psycopg_pool
import pytest

from dissonance.adapters.postgres.failures import caused_by, is_unreachable, translated
from dissonance.errors import EngineError, EngineUnavailable


@pytest.mark.parametrize(
    "error",
    [
        psycopg.OperationalError("server closed the connection"),
        psycopg.errors.AdminShutdown("terminating"),
        psycopg.errors.DeadlockDetected("deadlock"),
        psycopg.errors.DiskFull("no space"),
        psycopg.InterfaceError("the connection is closed"),
        psycopg_pool.PoolTimeout("no connection"),
        psycopg_pool.PoolClosed("closed"),
    ],
)
def test_what_may_succeed_later_is_unavailable(error: Exception) -> None:
    with pytest.raises(EngineUnavailable, match="count_rows") as caught, translated("count_rows"):
        raise error
    assert caught.value.__cause__ is error


def test_what_will_not_succeed_later_is_an_engine_error_without_values_of_rows() -> None:
    error = psycopg.errors.UniqueViolation("duplicate key\nDETAIL:  Key (name)=(Ada Lovelace) exists.")
    with pytest.raises(EngineError) as caught, translated("insert_task"):
        raise error
    assert not isinstance(caught.value, EngineUnavailable)
    assert "Ada" not in str(caught.value)
    assert caused_by(caught.value, psycopg.errors.UniqueViolation)
    assert not caused_by(caught.value, psycopg.errors.CheckViolation)


def test_right_that_is_not_granted_is_waited_for_and_the_way_to_grant_it_is_named() -> None:
    with pytest.raises(EngineUnavailable, match="does not let this user run 'revoke'") as caught, translated("revoke"):
        raise psycopg.errors.InsufficientPrivilege("permission denied for table revocations")
    assert "dissonance database rights" in caught.value.fix
    assert not is_unreachable(caught.value)


def test_error_of_ours_passes_as_it_is() -> None:
    with pytest.raises(ValueError, match="ours"), translated("anything"):
        raise ValueError("ours")
