"""Where adapters are chosen: settings in, a working system out.

What runs on it is in the modules beside this one, so that a command loads no more than it needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from dissonance.adapters import guarded_registry
from dissonance.adapters.anchors.folder import AnchorFolder
from dissonance.adapters.clock import SystemClock, SystemRandomness
from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.adapters.embedded.state import read_state
from dissonance.adapters.embedded.status import without_password
from dissonance.adapters.embedded.streams import record_streams
from dissonance.adapters.guarded_registry import GuardedRegistry
from dissonance.adapters.host import LocalHost
from dissonance.adapters.keys.folder import KeyFolder
from dissonance.adapters.nats.bus import JetStreamBus
from dissonance.adapters.nats.credentials import NATS_KEYS, Credentials, seed_file
from dissonance.adapters.postgres import database
from dissonance.adapters.postgres.keys import PostgresDataSubjectKeys
from dissonance.adapters.postgres.migrate import Schema, migrate
from dissonance.adapters.postgres.store import PostgresStore
from dissonance.adapters.tls.local_authority import LocalAuthority
from dissonance.adapters.tls.required import unprotected
from dissonance.bootstrap_keys import key_guards, open_key_folder
from dissonance.contracts.topics import DEAD_STREAM, EventKind, stream
from dissonance.errors import ConfigurationError, EngineUnavailable
from dissonance.pipeline.subjects.again import erase_again
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
from dissonance.security.service_tokens import ServiceToken
from dissonance.security.signatures import seed_of
from dissonance.security.text_seal import TextSeal
from dissonance.security.tls import Tls
from dissonance.security.tokens import TokenIssuer
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
    if not settings.keys_folder.is_dir():
        await asyncio.to_thread(open_key_folder, settings, SystemRandomness())
    bus = await _connect(settings, addresses, SystemClock(), "", certificates_of(settings))
    try:
        yield bus
    finally:
        await bus.close()


async def _connect(
    settings: Settings, addresses: EngineAddresses, clock: Clock, name: str, tls: LiveTls
) -> JetStreamBus:
    """As the part `name`, or as who runs commands. Parts may not make streams; embedded, they are made before."""
    url, who = addresses.nats_url, None
    if settings.nats_credentials:
        who = Credentials(name, Path(settings.nats_credentials).expanduser())
    elif name and not settings.nats_url:
        who = Credentials(name, seed_file(settings.keys_folder / NATS_KEYS, name))
        await (await _connect(settings, addresses, clock, "", tls)).close()
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


@asynccontextmanager
async def open_system(settings: Settings, known_as: str = "") -> AsyncIterator[System]:
    """Connect to the engines and bring their schemas to this version; disconnect at the end.

    `known_as`: the part of the system that this process is (`contracts.bus_needs.NEEDS`); "" for who runs commands.

    Raises `EngineUnavailable`, `DataFolderError`, or `EngineError` for a database of a newer version.
    """
    addresses = addresses_of(settings)
    clock, randomness = SystemClock(), SystemRandomness()
    breakers = Breakers(clock)
    guards = key_guards(settings, randomness, breakers)
    key_folder = await asyncio.to_thread(KeyFolder.open_or_create, settings.keys_folder, randomness, guards)
    await asyncio.to_thread(migrate, addresses.database_url, Schema.EXPERIENCE)
    await asyncio.to_thread(migrate, addresses.keys_database_url, Schema.DATA_SUBJECT_KEYS)
    tls = await asyncio.to_thread(certificates_of, settings)
    bus = await _connect(settings, addresses, clock, known_as, tls)
    if not settings.nats_url:
        record_streams(settings.data_folder, [*(stream(kind) for kind in EventKind), DEAD_STREAM])
    store = PostgresStore(
        addresses.database_url,
        clock=clock,
        texts=TextSeal(key_folder.derive("store-texts-1") + key_folder.derive("store-texts-2")),
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
        lambda: _mlflow(addresses.mlflow_url, _registrar(settings, key_folder, clock, randomness), tls.tls),
        breakers.make("MLflow", failures=guarded_registry.FAILURES, rest_s=guarded_registry.REST_S),
    )
    artefact_keys = ArtefactKeys.from_seed(key_folder.derive("artefacts"), seed_of(key_folder.signing_private_key_pem))
    try:
        await erase_again(store, keys, erasure_notes(settings), artefact_keys.verification)
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
    finally:
        await bus.close()
        await store.close()
        await keys.close()


def erasure_notes(settings: Settings) -> Anchors:
    """Who was erased, in files beside the key folder: kept with its backup, not with that of the data."""
    return AnchorFolder(settings.erasures)


def _registrar(settings: Settings, keys: KeyFolder, clock: Clock, randomness: Randomness) -> Callable[[], str] | None:
    """Tokens for an MLflow that takes them; another would learn them, and could use them."""
    if settings.mlflow_url and not settings.mlflow_takes_our_tokens:
        return None
    issuer = TokenIssuer(
        keys.issuer_private_key_pem,
        issuer=settings.token_issuer,
        audience=settings.token_audience,
        clock=clock,
        randomness=randomness,
    )
    return ServiceToken(issuer, clock, subject="registrar", grant="registrar")


def _mlflow(url: str, token: Callable[[], str] | None, tls: Tls) -> Registry:
    from dissonance.adapters.mlflow.registry import (
        MlflowRegistry,  # it loads for seconds, and few commands need a model
    )

    return MlflowRegistry(url, token, tls)
