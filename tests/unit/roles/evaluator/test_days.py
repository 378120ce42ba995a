"""What a day of windows comes to in the registry: told once, again when it changed, and later if nobody listened."""

from __future__ import annotations

import asyncio

import pytest

from dissonance.adapters.memory.registry import MemoryRegistry
from dissonance.adapters.memory.store import MemoryStore
from dissonance.contracts.policy import Policy
from dissonance.errors import EngineUnavailable
from dissonance.ports.registry import Day, ModelRole
from dissonance.roles.evaluator.days import Days, days_of
from support.store import RowMaker, with_task

HOUR_US = 3_600_000_000


def test_windows_of_a_day_are_summed_by_rows_and_those_that_are_open_or_empty_are_not_told() -> None:
    make = RowMaker("days")
    windows = [
        make.window("t", 0, rows=100, labelled=10, realised_accuracy=0.5, closed=True, mean_dissonance=0.1, revision=1),
        make.window(
            "t", HOUR_US, rows=300, labelled=30, realised_accuracy=0.9, closed=True, mean_dissonance=0.3, revision=4
        ),
        make.window("t", 2 * HOUR_US, rows=50, closed=False),
        make.window("t", 25 * HOUR_US, rows=20, labelled=0, realised_accuracy=None, closed=True, revision=2),
    ]
    first, second = days_of(windows)
    assert (first.date, first.revision, second.date, second.revision) == ("1970-01-01", 5, "1970-01-02", 2)
    assert (first.metrics["windows"], first.metrics["rows"], first.metrics["labelled"]) == (2.0, 400.0, 40.0)
    assert first.metrics["realised_accuracy"] == pytest.approx(0.8)
    assert first.metrics["mean_dissonance"] == pytest.approx(0.25)
    assert "realised_accuracy" not in second.metrics


class CountingRegistry(MemoryRegistry):
    told = 0

    def record_day(self, task_id: str, day: Day) -> None:
        super().record_day(task_id, day)
        self.told += 1


def test_a_day_is_told_when_it_changed_and_after_the_registry_was_away() -> None:
    asyncio.run(_told_when_it_changed())


async def _told_when_it_changed() -> None:
    make = RowMaker("days")
    store, registry = MemoryStore(make.clock), CountingRegistry(make.clock)
    task_id = await with_task(store, make, Policy())
    registry.register(task_id, "t", ModelRole.PROPOSER, b"", "a" * 64, metrics={}, parameters={}, parent=None)
    days = Days(store, registry)
    await days.record()
    assert registry.told == 0
    await store.save_window(make.window(task_id, 0, rows=10, closed=True))
    registry.available = False
    with pytest.raises(EngineUnavailable):
        await days.record()
    registry.available = True
    for _ in range(2):
        await days.record()
    assert (registry.told, registry.days(task_id)[0].metrics["rows"]) == (1, 10.0)
    await store.save_window(make.window(task_id, 0, rows=12, closed=True))
    await days.record()
    assert (registry.told, registry.days(task_id)[0].metrics["rows"]) == (2, 12.0)
