"""A replica that has just started is ready once the models of its tasks are loaded, and no sooner."""

from __future__ import annotations

import asyncio

import pytest

from dissonance.adapters.memory.bus import MemoryBus
from dissonance.adapters.memory.clock import FixedClock
from dissonance.adapters.memory.store import MemoryStore
from dissonance.contracts.policy import Policy
from dissonance.errors import EngineUnavailable, ModelNotFound
from dissonance.roles.catalogue import Catalogue
from dissonance.roles.proposer.warming import Warming
from support.store import RowMaker
from support.walk import PlainLoader


async def started(names: list[str]) -> tuple[PlainLoader, MemoryStore, Warming]:
    make, store, registry = RowMaker("warming"), MemoryStore(FixedClock()), PlainLoader(0.1)
    for name in names:
        await store.create(make.task(name=name), Policy())
    return registry, store, Warming(Catalogue(store, registry, MemoryBus(FixedClock())), store, again_s=0.01)


@pytest.mark.parametrize("away", ["registry", "store"])
def test_it_is_ready_once_the_models_are_loaded(away: str) -> None:
    async def story() -> None:
        registry, store, warming = await started(["one", "two"])
        registry.refusal = EngineUnavailable("the registry is away") if away == "registry" else None
        store.available = away != "store"
        warm = asyncio.create_task(warming.warm())
        await asyncio.sleep(0.05)
        with pytest.raises(EngineUnavailable, match="not loaded yet"):
            await warming.ready()
        registry.refusal, store.available = None, True
        await warm
        await warming.ready()

    asyncio.run(story())


@pytest.mark.parametrize("names", [[], ["empty"]])
def test_what_has_no_model_keeps_nobody_waiting(names: list[str]) -> None:
    async def story() -> None:
        registry, _, warming = await started(names)
        registry.refusal = ModelNotFound("no model is in production")
        await warming.warm()
        await warming.ready()

    asyncio.run(story())
