from __future__ import annotations

import asyncio
import logging

import pytest

from dissonance.adapters.memory.clock import FixedClock, SeededRandomness
from dissonance.adapters.memory.keys import MemoryDataSubjectKeys
from dissonance.adapters.memory.store import MemoryStore
from dissonance.errors import EngineUnavailable


def test_doubles_warn_that_they_are_no_place_for_real_rows(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert MemoryStore(FixedClock()).is_double
        assert MemoryDataSubjectKeys(SeededRandomness()).is_double
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.WARNING]


def test_store_that_plays_dead_raises_and_comes_back() -> None:
    async def story() -> None:
        store = MemoryStore(FixedClock())
        store.available = False
        for call in (store.all(), store.by_id("x"), store.record([]), store.counts("x"), store.ready()):
            with pytest.raises(EngineUnavailable):
                await call
        store.available = True
        assert await store.all() == []
        await store.close()

    asyncio.run(story())


def test_keys_that_play_dead_raise() -> None:
    async def story() -> None:
        keys = MemoryDataSubjectKeys(SeededRandomness())
        keys.available = False
        for call in (keys.obtain("t", []), keys.find("t", []), keys.destroy("t", []), keys.ready()):
            with pytest.raises(EngineUnavailable):
                await call

    asyncio.run(story())
