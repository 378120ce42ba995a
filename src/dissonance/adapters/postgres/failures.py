"""What psycopg raises, in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import psycopg_pool

from dissonance.adapters.postgres.untrusted import way_to_trust
from dissonance.errors import EngineError, EngineUnavailable, EngineUntrusted

_RETRY = (
    psycopg.OperationalError,  # connection lost, shutdown, deadlock, timeout, disk full; PoolTimeout is one too
    psycopg.InterfaceError,  # the connection was found closed
    psycopg_pool.PoolClosed,
)


_GONE = ("08", "57P01", "57P02", "57P03")
"""SQLSTATE of connections that broke, and of a server that shuts down, crashed or starts (PostgreSQL, appendix A)."""


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raises `EngineUnavailable` for what may succeed when tried again (`EngineUntrusted` where the server did not show
    who it is), `EngineError` for what will not.

    `doing` names the query, so that the message says what could not be done.
    """
    try:
        yield
    except _RETRY as error:
        if fix := way_to_trust(str(error)):
            raise EngineUntrusted(
                f"PostgreSQL was not asked to run '{doing}': {_first_line(error)}", where="postgres", fix=fix
            ) from error
        raise EngineUnavailable(
            f"PostgreSQL could not run '{doing}': {_first_line(error)}",
            where="postgres",
            fix="check that it runs and has room (dissonance status); the call is tried again",
        ) from error
    except psycopg.errors.InsufficientPrivilege as error:  # a role waits for it to be granted: no message is at fault
        raise EngineUnavailable(
            f"PostgreSQL does not let this user run '{doing}': {_first_line(error)}",
            where="postgres",
            fix="commands come as the owner of the database; a part gets what `dissonance database rights` prints",
        ) from error
    except psycopg.Error as error:
        raise EngineError(
            f"PostgreSQL refused to run '{doing}': {_first_line(error)}",
            where="postgres",
            fix="see the log of PostgreSQL",
        ) from error


def is_unreachable(error: EngineError) -> bool:
    """Whether PostgreSQL was not there, or not the one to talk to: shutting down, starting, hung up.

    What it says of a statement (too long, a deadlock, a full disk) it says because it is there.
    """
    cause = error.__cause__
    if not isinstance(cause, _RETRY):
        return False
    state = getattr(cause, "sqlstate", None)
    return state is None or state.startswith(_GONE)


def caused_by(error: EngineError, kind: type[psycopg.Error]) -> bool:
    """Whether PostgreSQL's answer was of this kind, for callers that know what it means."""
    return isinstance(error.__cause__, kind)


def _first_line(error: Exception) -> str:
    """The rest may quote values of a row, which must not reach logs."""
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
