"""Logs are JSON, one object a line: `time` (RFC 3339), `level`, `role`, `action`, then what the action tells.

No personal data: fields are ids, names, counts and times; a field never holds a row, a label or a body. Of an
exception only its type and the places it came through are written, since its message may quote a value. Libraries
are heard from WARNING up, in their own words.

>>> import io
>>> stream = io.StringIO()
>>> configure_logging("INFO", stream, role="proposer")
>>> log(logging.getLogger("dissonance.roles"), LogAction.ROLE_STARTED, port=8080)
>>> '"action":"role.started","port":8080' in stream.getvalue()
True
"""

from __future__ import annotations

import logging
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import msgspec

from dissonance.errors import ConfigurationError
from dissonance.telemetry.names import LogAction

Field = str | int | float | bool | None
FIELDS = "dissonance_fields"
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
NOISY_LIBRARIES = ("uvicorn", "alembic", "mlflow", "nats", "asyncio", "urllib3")

current_role: ContextVar[str] = ContextVar("current_role", default="")
"""The role whose work this is, where several share a process; empty = the role given to `configure_logging`."""


def log(logger: logging.Logger, action: LogAction, level: int = logging.INFO, /, **fields: Field) -> None:
    """Write one line. Cheap when the level is off."""
    if logger.isEnabledFor(level):
        logger.log(level, action.value, extra={FIELDS: fields})


def log_exception(logger: logging.Logger, action: LogAction, error: BaseException, /, **fields: Field) -> None:
    """Write one line at ERROR with the error's type and the places it came through, without its message."""
    logger.error(action.value, extra={FIELDS: fields}, exc_info=error)


class JsonFormatter(logging.Formatter):
    """A log record to one line of JSON."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role
        self._encode = msgspec.json.Encoder(enc_hook=str).encode

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds")
        line: dict[str, object] = {
            "time": time.replace("+00:00", "Z"),
            "level": record.levelname,
            "role": current_role.get() or self._role,
        }
        fields: dict[str, Field] | None = getattr(record, FIELDS, None)
        if fields is None:
            line |= {"action": LogAction.LIBRARY_REPORTED, "library": record.name, "message": record.getMessage()}
        else:
            line |= {"action": record.msg, **fields}
        if record.exc_info and record.exc_info[1]:
            line |= described(record.exc_info[1])
        return self._encode(line).decode()


def described(error: BaseException) -> dict[str, object]:
    """Type and places of an error and of what it came from, innermost call last; no messages."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    frames = traceback.extract_tb(error.__traceback__)
    return {
        "error": [f"{type(link).__module__}.{type(link).__qualname__}" for link in chain],
        "frames": [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames],
    }


def configure_logging(level: str, target: TextIO | Path, role: str = "") -> None:
    """Send every logger of the process to `target` (a stream, or a file that is appended to) as JSON lines.

    Replaces what was configured before. Libraries are heard from WARNING up.
    Raises `ConfigurationError` for an unknown level or a file that cannot be opened.
    """
    if level not in LEVELS:
        raise ConfigurationError(
            f"'{level}' is not a log level", where="DISSONANCE_LOG_LEVEL", fix=f"use one of {', '.join(LEVELS)}"
        )
    try:
        handler = logging.FileHandler(target) if isinstance(target, Path) else logging.StreamHandler(target)
    except OSError as error:
        raise ConfigurationError(
            f"the log file cannot be opened: {error.strerror}",
            where=str(target),
            fix="choose a folder you may write to",
        ) from error
    handler.setFormatter(JsonFormatter(role))
    root = logging.getLogger()
    for earlier in root.handlers[:]:
        root.removeHandler(earlier)
        earlier.close()
    root.addHandler(handler)
    root.setLevel(level)
    for library in NOISY_LIBRARIES:
        logging.getLogger(library).setLevel(max(logging.WARNING, root.level))
