"""Windows and their revisions."""

from __future__ import annotations

from typing import Any

import msgspec
import psycopg

from dissonance.adapters.postgres.failures import caused_by
from dissonance.adapters.postgres.part import StorePart, task_key, unknown_task
from dissonance.contracts.estimates import WindowEstimate
from dissonance.contracts.windows import SliceFigures
from dissonance.errors import EngineError, EngineUnavailable
from dissonance.ports.store import Window

TRIES = 8

OPEN_REVISIONS_KEPT = 8
"""An open window is restated all the time; what is stated from its closing on stays."""


class PostgresWindows(StorePart):
    """`ports.store.WindowStore`."""

    async def save_window(self, window: Window) -> int:
        """Figures that did not change keep their revision, so that a repeated message restates nothing."""
        parameters = msgspec.structs.asdict(window) | {
            "task": task_key(window.task_id),
            "estimate": None,
            "slices": msgspec.json.encode(window.slices).decode(),
            "at_us": self._clock.now_us(),
            "kept": OPEN_REVISIONS_KEPT,
        }
        for _ in range(TRIES):
            try:
                inserted = await self._database.rows("save_window", parameters)
            except EngineError as error:
                if caused_by(error, psycopg.errors.ForeignKeyViolation):
                    raise unknown_task(window.task_id) from error
                raise
            if inserted:
                return int(inserted[0][0])
            latest = await self._database.rows("window", parameters)
            if latest:
                there = _window(window.task_id, latest[0])
                if msgspec.structs.replace(window, revision=there.revision, estimate=there.estimate) == there:
                    return there.revision
        raise EngineUnavailable(
            f"others restated the window {TRIES} times meanwhile",
            where="windows",
            fix="nothing: the message is tried again",
        )

    async def save_estimate(self, task_id: str, window_id: str, estimate: WindowEstimate) -> bool:
        parameters = {
            "task": task_key(task_id),
            "window_id": window_id,
            "body": msgspec.json.encode(estimate).decode(),
            "at_us": self._clock.now_us(),
        }
        try:
            return bool(await self._database.rows("save_estimate", parameters))
        except EngineError as error:
            if caused_by(error, psycopg.errors.ForeignKeyViolation):
                raise unknown_task(task_id) from error
            raise

    async def windows(self, task_id: str, limit: int = 100) -> list[Window]:
        rows = await self._database.rows("windows", {"task": task_key(task_id), "limit": limit})
        return [_window(task_id, row) for row in rows]


FIGURES = (
    "window_id",
    "start_us",
    "end_us",
    "revision",
    "rows",
    "labelled",
    "mean_doubt",
    "mean_dissonance",
    "share_over_target",
    "estimated_accuracy",
    "realised_accuracy",
    "closed",
    "estimated_error",
    "random_checked",
    "random_right",
    "both_wrong",
    "mean_label_delay_s",
)
"""In the order in which the queries have them, before slices and estimate."""


def _window(task_id: str, row: tuple[Any, ...]) -> Window:
    *figures, slices, estimate = row
    return Window(
        task_id=task_id,
        slices=msgspec.json.decode(slices, type=tuple[SliceFigures, ...]),
        estimate=None if estimate is None else msgspec.json.decode(estimate, type=WindowEstimate),
        **dict(zip(FIGURES, figures, strict=True)),
    )
