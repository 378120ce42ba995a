"""The stores and buses that the contract suites run against, once each: the double in memory and the real engine."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.adapters.postgres.migrate import migrate
from support.bus import BusKit, JetStreamKit, MemoryKit, NatsServer
from support.database import fresh_database
from support.store import MemoryStoreCase, PostgresStoreCase, RowMaker, StoreCase


@pytest.fixture(scope="session")
def store_url(engines: EngineAddresses) -> Iterator[str]:
    with fresh_database(engines.database_url) as url:
        migrate(url)
        yield url


@pytest.fixture(params=["memory", "postgres"])
def case(request: pytest.FixtureRequest) -> StoreCase:
    make = RowMaker(request.node.nodeid)
    if request.param == "memory":
        return MemoryStoreCase(make)
    return PostgresStoreCase(make, request.getfixturevalue("store_url"))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=["memory", "jetstream"])
def kit(request: pytest.FixtureRequest) -> BusKit:
    if request.param == "memory":
        return MemoryKit()
    server: NatsServer = request.getfixturevalue("server")
    asyncio.run(server.forget_everything())
    return JetStreamKit(server)
