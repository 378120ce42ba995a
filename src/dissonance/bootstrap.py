"""Where adapters are chosen: settings in, a working system out.

What runs on it is in the modules beside this one, so that a command loads no more than it needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from dissonance.adapters import guarded_registry
from dissonance.adapters.anchors.folder import AnchorFolder
from dissonance.adapters.clock import SystemClock, SystemRandomness
from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.adapters.embedded.preparation import Preparation
from dissonance.adapters.embedded.state import read_state
from dissonance.adapters.embedded.status import without_password
from dissonance.adapters.embedded.streams import record_streams
from dissonance.adapters.guarded_registry import GuardedRegistry
from dissonance.adapters.host import LocalHost
from dissonance.adapters.keys.folder import KeyFolder
from dissonance.adapters.looking import is_folder
from dissonance.adapters.nats.bus import JetStreamBus
from dissonance.adapters.nats.credentials import NATS_KEYS, Credentials, seed_file
from dissonance.adapters.tls.local_authority import LocalAuthority
from dissonance.adapters.tls.required import unprotected
from dissonance.bootstrap_databases import artefact_keys_of, open_databases, prepare_databases
from dissonance.bootstrap_keys import key_guards, open_key_folder
from dissonance.bootstrap_registry import open_registry
from dissonance.contracts.topics import DEAD_STREAM, EventKind, stream
from dissonance.errors import ConfigurationError, EngineUnavailable
from dissonance.ports.anchors import Anchors
from dissonance.ports.breaker import Breakers
from dissonance.ports.bus import Bus
from dissonance.ports.clock import Clock, Randomness
from dissonance.ports.host import Host
from dissonance.ports.keys import DataSubjectKeys
from dissonance.ports.registry import Registry
from dissonance.ports.store import Store
from dissonance.security.artefacts import ArtefactKeys
from dissonance.security.grants import Grants
from dissonance.security.issuers import IssuerRules, read_issuers
from dissonance.security.live_tls import LiveTls
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


def trusted_issuers(settings: Settings, known: Grants) -> list[IssuerRules]:
    """Of the file that the settings name, in which grants are `known` ones. Raises `ConfigurationError`, also where it
    names the local issuer."""
    path = settings.issuers_file
    if path is None:
        return []
    try:
        issuers = read_issuers(path.read_bytes(), known)
    except OSError as error:
        raise ConfigurationError(
            f"the file of issuers cannot be read: {error.strerror}", where=str(path), fix="see DISSONANCE_OIDC_ISSUERS"
        ) from error
    if settings.token_issuer in [each.url for each in issuers]:
        raise ConfigurationError(
            f"'{settings.token_issuer}' is the local issuer", where=str(path), fix="see DISSONANCE_TOKEN_ISSUER"
        )
    return issuers


@asynccontextmanager
async def open_bus(settings: Settings) -> AsyncIterator[Bus]:
    """The bus alone, for commands that need nothing else."""
    addresses = addresses_of(settings)
    if not is_folder(settings.keys_folder):
        await asyncio.to_thread(open_key_folder, settings, SystemRandomness())
    async with _open_bus(settings, addresses, SystemClock(), "", certificates_of(settings)) as bus:
        yield bus


@asynccontextmanager
async def _open_bus(
    settings: Settings, addresses: EngineAddresses, clock: Clock, name: str, tls: LiveTls
) -> AsyncIterator[Bus]:
    bus = await _connect(settings, addresses, clock, name, tls)
    try:
        yield bus
    finally:
        await bus.close()


async def _connect(
    settings: Settings, addresses: EngineAddresses, clock: Clock, name: str, tls: LiveTls
) -> JetStreamBus:
    """As the part `name`, or as who runs commands. Parts may not make streams; embedded, `up` made them."""
    url, who = addresses.nats_url, None
    if settings.nats_credentials:
        who = Credentials(name, Path(settings.nats_credentials).expanduser())
    elif name and not settings.nats_url:
        who = Credentials(name, seed_file(settings.keys_folder / NATS_KEYS, name))
        url = without_password(url)
    return await JetStreamBus.connect(
        url,
        clock=clock,
        ack_wait_s=settings.ack_wait_s,
        max_deliver=settings.max_deliver,
        duplicate_window_s=settings.duplicate_window_s,
        stream_max_age_s=settings.stream_max_age_s,
        stream_max_bytes=settings.stream_max_bytes,
        credentials=who,
        makes_streams=who is None or not name,
        tls=tls.client,
    )


def preparation(settings: Settings) -> Preparation:
    """What `dissonance up` does as the owner of its engines, before it says that they are ready (ADR 63)."""

    async def databases(addresses: EngineAddresses, keys: KeyFolder) -> None:
        await prepare_databases(settings, addresses, keys)

    async def streams(addresses: EngineAddresses, keys: KeyFolder) -> None:
        tls = await asyncio.to_thread(certificates_of, settings)
        await (await _connect(settings, addresses, SystemClock(), "", tls)).close()
        record_streams(settings.data_folder, [*(stream(kind) for kind in EventKind), DEAD_STREAM])

    return Preparation(databases, streams)


@asynccontextmanager
async def open_system(settings: Settings, known_as: str = "") -> AsyncIterator[System]:
    """Connect to the engines; disconnect at the end.

    `known_as`: the part of the system that this process is (`contracts.bus_needs.NEEDS`); "" for who runs commands, as
    the owner, who also prepares databases that others run.

    Raises `EngineUnavailable`, `DataFolderError`, and what `open_databases` raises.
    """
    addresses = addresses_of(settings)
    clock, randomness = SystemClock(), SystemRandomness()
    breakers = Breakers(clock)
    guards = key_guards(settings, randomness, breakers)
    key_folder = await asyncio.to_thread(KeyFolder.open_or_create, settings.keys_folder, randomness, guards)
    tls = await asyncio.to_thread(certificates_of, settings)
    artefact_keys = artefact_keys_of(key_folder)
    async with (
        _open_bus(settings, addresses, clock, known_as, tls) as bus,
        open_databases(settings, addresses, key_folder, clock, randomness, breakers, known_as) as (store, keys),
    ):
        registry = GuardedRegistry(
            lambda: open_registry(settings, addresses.mlflow_url, key_folder, tls, clock, randomness),
            breakers.make("MLflow", failures=guarded_registry.FAILURES, rest_s=guarded_registry.REST_S),
        )
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
            artefact_keys=artefact_keys,
            anchors=AnchorFolder(settings.anchors),
            breakers=breakers,
            tls=tls,
        )
