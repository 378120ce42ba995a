"""Calls that may be repeated as they are, repeated with jitter by stamina (ADR 39).

stamina reports a retry with the arguments of the call; here the log gets its name and the error's kind only.
"""

from __future__ import annotations

import logging

import stamina
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from dissonance.errors import EngineUnavailable
from dissonance.telemetry.logs import log
from dissonance.telemetry.names import LogAction

ATTEMPTS = 3
IN_ALL_S = 15.0
"""Seconds after which no further attempt is begun."""

FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 1.0
JITTER_S = 0.2

_logger = logging.getLogger(__name__)


def _tell(details: RetryDetails) -> None:
    error = type(details.caused_by).__name__
    log(_logger, LogAction.CALL_REPEATED, logging.WARNING, call=details.name, attempt=details.retry_num, error=error)


set_on_retry_hooks([_tell])

repeated = stamina.retry(
    on=EngineUnavailable,
    attempts=ATTEMPTS,
    timeout=IN_ALL_S,
    wait_initial=FIRST_WAIT_S,
    wait_max=LONGEST_WAIT_S,
    wait_jitter=JITTER_S,
)
"""Decorates a blocking or an asynchronous call to an engine that changes nothing there, or the same thing again."""
