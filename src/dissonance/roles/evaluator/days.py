"""One run a day of event time and task in the registry, with the figures of its windows: never one a prediction."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import NamedTuple, NoReturn, Protocol

from dissonance.contracts.schema import Task
from dissonance.contracts.times import to_text
from dissonance.errors import EngineError, ModelError
from dissonance.ports.registry import Day
from dissonance.ports.store import Window
from dissonance.telemetry.logs import log
from dissonance.telemetry.names import LogAction

EVERY_S = 300.0
"""A day changes with every window that is over and with every late label; people look at it now and then."""

LATEST = 200
"""Windows that are looked at: of a day that none of them is in, nothing is told anew."""

_logger = logging.getLogger(__name__)


class ReadsWindows(Protocol):
    """What days need of a store."""

    async def all(self) -> list[Task]: ...

    async def windows(self, task_id: str, limit: int = ...) -> list[Window]: ...


class RecordsDays(Protocol):
    """What they need of a registry; blocking."""

    def record_day(self, task_id: str, day: Day) -> None: ...


class Days:
    """Safe on several replicas: a day has one run, and the figures of the highest revision are the ones it shows."""

    def __init__(self, store: ReadsWindows, registry: RecordsDays) -> None:
        self._store = store
        self._registry = registry
        self._told: dict[tuple[str, str], int] = {}

    async def run(self) -> NoReturn:
        """For ever. What a registry that is away, or refuses, was not told is told later."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.record()
            except EngineError as error:
                log(_logger, LogAction.ENGINE_UNREACHABLE, logging.WARNING, why=error.what)

    async def record(self) -> None:
        """Every day that changed since it was told last. Raises `EngineUnavailable`."""
        for task in await self._store.all():
            for day in days_of(await self._store.windows(task.task_id, LATEST)):
                key = (task.task_id, day.date)
                if self._told.get(key) == day.revision:
                    continue
                try:
                    await asyncio.to_thread(self._registry.record_day, task.task_id, day)
                except ModelError as error:
                    log(_logger, LogAction.MODEL_REFUSED, logging.ERROR, task=task.name, why=str(error))
                    continue
                self._told[key] = day.revision


class _Sums(NamedTuple):
    windows: list[Window]

    def mean(self, name: str) -> float:
        """Over rows."""
        return float(sum(getattr(each, name) * each.rows for each in self.windows) / self.rows)

    @property
    def rows(self) -> int:
        return sum(each.rows for each in self.windows)


def days_of(windows: Sequence[Window]) -> list[Day]:
    """By the date on which a window begins, oldest first; of windows that are over and have rows. The revision of a day
    is the sum of its windows', which only grows."""
    by_date: dict[str, list[Window]] = {}
    for window in windows:
        if window.closed and window.rows:
            by_date.setdefault(to_text(window.start_us)[:10], []).append(window)
    return [
        Day(date, sum(each.revision for each in by_date[date]), _metrics(_Sums(by_date[date])))
        for date in sorted(by_date)
    ]


def _metrics(sums: _Sums) -> dict[str, float]:
    """Accuracies and dissonance in [0, 1]; no realised accuracy without a label."""
    labelled = sum(each.labelled for each in sums.windows)
    right = sum(each.realised_accuracy * each.labelled for each in sums.windows if each.realised_accuracy is not None)
    metrics = {
        "windows": float(len(sums.windows)),
        "rows": float(sums.rows),
        "labelled": float(labelled),
        "believed_accuracy": sums.mean("estimated_accuracy"),
        "mean_dissonance": sums.mean("mean_dissonance"),
        "share_over_target": sums.mean("share_over_target"),
    }
    return metrics | ({"realised_accuracy": right / labelled} if labelled else {})
