"""Where adapters are chosen: settings in, a working system out.

What runs on it is in the modules beside this one, so that a command loads no more than it needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import msgspec

from dissonance.adapters import guarded_registry
from dissonance.adapters.anchors.folder import AnchorFolder
from dissonance.adapters.clock import SystemClock, SystemRandomness
from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.adapters.embedded.state import read_state
from dissonance.adapters.embedded.streams import record_streams
from dissonance.adapters.guarded_registry import GuardedRegistry
from dissonance.adapters.host import LocalHost
from dissonance.adapters.keys.folder import KeyFolder
from dissonance.adapters.nats.bus import JetStreamBus
from dissonance.adapters.postgres import database
from dissonance.adapters.postgres.keys import PostgresDataSubjectKeys
from dissonance.adapters.postgres.migrate import Schema, migrate
from dissonance.adapters.postgres.store import PostgresStore
from dissonance.adapters.tls.local_authority import LocalAuthority
from dissonance.adapters.tls.required import unprotected
from dissonance.contracts.topics import DEAD_STREAM, EventKind, stream
from dissonance.errors import EngineUnavailable
from dissonance.ports.anchors import Anchors
from dissonance.ports.breaker import Breakers
from dissonance.ports.bus import Bus
from dissonance.ports.clock import Clock, Randomness
from dissonance.ports.host import Host
from dissonance.ports.keys import DataSubjectKeys
from dissonance.ports.registry import Registry
from dissonance.ports.store import Store
from dissonance.security.artefacts import ArtefactKeys
from dissonance.security.live_tls import LiveTls
from dissonance.security.signatures import seed_of
from dissonance.security.tls import Tls
from dissonance.settings import Settings, given_addresses


class System(NamedTuple):
    """Everything that commands, roles and drills work on. Its parts are the real ones."""

    settings: Settings
    addresses: EngineAddresses
    store: Store
    keys: DataSubjectKeys
    bus: Bus
    registry: Registry
    host: Host
    clock: Clock
    randomness: Randomness
    key_folder: KeyFolder
    artefact_keys: ArtefactKeys
    anchors: Anchors
    breakers: Breakers
    tls: LiveTls


def addresses_of(settings: Settings) -> EngineAddresses:
    """Where the engines are: what the settings say, and for the rest what runs on the data folder.

    Raises `EngineUnavailable` when an address is neither given nor running.
    """
    given = given_addresses(settings)
    if given.are_complete:
        return given
    state = read_state(settings.data_folder)
    if state is None:
        raise EngineUnavailable(
            "no engine runs on this data folder",
            where=str(settings.data_folder),
            fix="start them with `dissonance up`, name the data folder (--data; --folder in `task create`), or set "
            "DISSONANCE_DATABASE_URL, DISSONANCE_KEYS_DATABASE_URL, DISSONANCE_NATS_URL and DISSONANCE_MLFLOW_URL",
        )
    running = msgspec.structs.asdict(state.addresses)
    return EngineAddresses(**{name: getattr(given, name) or running[name] for name in running})


def certificates_of(settings: Settings) -> LiveTls:
    """Those from files that the settings name; else those of the installation's own authority, made where they are
    missing. Its key folder must be there.

    Raises `ConfigurationError`, `DataFolderError`.
    """
    given = settings.tls_files
    if given is not None:
        return LiveTls(given)
    authority = LocalAuthority(settings.keys_folder, SystemClock(), SystemRandomness(), settings.names)
    return LiveTls(authority.tls, authority.renew)


@asynccontextmanager
async def open_bus(settings: Settings) -> AsyncIterator[Bus]:
    """The bus alone, for commands that need nothing else."""
    addresses = addresses_of(settings)
    KeyFolder.open_or_create(settings.keys_folder, SystemRandomness())
    bus = await _connect(settings, addresses, SystemClock(), certificates_of(settings))
    try:
        yield bus
    finally:
        await bus.close()


async def _connect(settings: Settings, addresses: EngineAddresses, clock: Clock, tls: LiveTls) -> JetStreamBus:
    return await JetStreamBus.connect(
        addresses.nats_url,
        clock=clock,
        ack_wait_s=settings.ack_wait_s,
        max_deliver=settings.max_deliver,
        duplicate_window_s=settings.duplicate_window_s,
        stream_max_age_s=settings.stream_max_age_s,
        stream_max_bytes=settings.stream_max_bytes,
        tls=tls.client,
    )


@asynccontextmanager
async def open_system(settings: Settings) -> AsyncIterator[System]:
    """Connect to the engines and bring their schemas to this version; disconnect at the end.

    Raises `EngineUnavailable`, `DataFolderError`, or `EngineError` for a database of a newer version.
    """
    addresses = addresses_of(settings)
    clock, randomness = SystemClock(), SystemRandomness()
    breakers = Breakers(clock)
    key_folder = KeyFolder.open_or_create(settings.keys_folder, randomness)
    await asyncio.to_thread(migrate, addresses.database_url, Schema.EXPERIENCE)
    await asyncio.to_thread(migrate, addresses.keys_database_url, Schema.DATA_SUBJECT_KEYS)
    tls = certificates_of(settings)
    bus = await _connect(settings, addresses, clock, tls)
    if not settings.nats_url:
        record_streams(settings.data_folder, [*(stream(kind) for kind in EventKind), DEAD_STREAM])
    store = PostgresStore(
        addresses.database_url,
        clock=clock,
        connections=settings.database_connections,
        breaker=breakers.make("experience database", failures=database.FAILURES, rest_s=database.REST_S),
    )
    keys = PostgresDataSubjectKeys(
        addresses.keys_database_url,
        key_encryption_key=key_folder.key_encryption_key,
        hash_key=key_folder.derive("data-subjects"),
        clock=clock,
        randomness=randomness,
        remembered_s=settings.keys_away_s,
        breaker=breakers.make("keys database", failures=database.FAILURES, rest_s=database.REST_S),
    )
    registry = GuardedRegistry(
        lambda: _mlflow(addresses.mlflow_url, tls.tls),
        breakers.make("MLflow", failures=guarded_registry.FAILURES, rest_s=guarded_registry.REST_S),
    )
    try:
        yield System(
            settings=settings,
            addresses=addresses,
            store=store,
            keys=keys,
            bus=bus,
            registry=registry,
            host=LocalHost(
                settings.data_folder, settings.keys_folder, settings.spool, unprotected(addresses, settings.plain)
            ),
            clock=clock,
            randomness=randomness,
            key_folder=key_folder,
            artefact_keys=ArtefactKeys.from_seed(
                key_folder.derive("artefacts"), seed_of(key_folder.signing_private_key_pem)
            ),
            anchors=AnchorFolder(settings.anchors),
            breakers=breakers,
            tls=tls,
        )
    finally:
        await bus.close()
        await store.close()
        await keys.close()


def _mlflow(url: str, tls: Tls) -> Registry:
    from dissonance.adapters.mlflow.registry import (
        MlflowRegistry,  # it loads for seconds, and few commands need a model
    )

    return MlflowRegistry(url, tls)
