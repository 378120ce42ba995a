"""What nats-py raises, in our words (habit 4: adapters raise only our errors, `from` the cause)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import nats.errors
from nats.js.errors import APIError

from dissonance.errors import EngineError, EngineUnavailable, StreamFull

WHERE = "NATS"
FIX = "look at the broker: dissonance status; the call may be repeated as it is"

NOT_FOUND = 404
"""A stream or consumer that was made is not there: the broker lost its store, or has not read it yet."""

TOO_MANY_REQUESTS = 429
"""JetStream's inbound queue is full (since server 2.11): the same message passes a moment later."""


FULL = 10077
"""JetStream's error code for a stream that has reached its limit of bytes and drops nothing."""


def unavailable(what: str, fix: str = FIX) -> EngineUnavailable:
    return EngineUnavailable(what, where=WHERE, fix=fix)


def refused(what: str) -> EngineError:
    """The broker is there and said no: repeating the call gives the same answer."""
    return EngineError(what, where=WHERE, fix="correct the request or the broker's limits; it will not pass by waiting")


def api_failure(doing: str, code: int | None, description: str | None, error_code: int | None = None) -> EngineError:
    """JetStream answers with codes of HTTP: 404, 429 and 5xx (full disk, no leader) pass by waiting, others do not."""
    what = f"{doing}: JetStream answered {code} {description or ''}".rstrip()
    if error_code == FULL:
        return StreamFull(
            what,
            where=WHERE,
            fix="ask again later; see that all roles run, or raise DISSONANCE_STREAM_MAX_BYTES",
        )
    passes = code is None or code in (NOT_FOUND, TOO_MANY_REQUESTS) or code >= 500
    return unavailable(what) if passes else refused(what)


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raises `EngineUnavailable` for what heals by waiting, `EngineError` for what the broker refuses."""
    try:
        yield
    except APIError as error:
        raise api_failure(doing, error.code, error.description, error.err_code) from error
    except (nats.errors.MaxPayloadError, nats.errors.BadSubjectError, nats.errors.BadHeaderError) as error:
        raise refused(f"{doing}: {error}") from error
    except (TimeoutError, nats.errors.Error, OSError) as error:
        raise unavailable(f"{doing}: {str(error) or type(error).__name__}") from error
