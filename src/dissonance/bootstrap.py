"""The only place where adapters meet roles: settings in, a working system out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import msgspec

from dissonance.adapters import guarded_registry
from dissonance.adapters.clock import SystemClock, SystemRandomness
from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.adapters.embedded.state import read_state
from dissonance.adapters.embedded.streams import record_streams
from dissonance.adapters.guarded_registry import GuardedRegistry
from dissonance.adapters.host import LocalHost
from dissonance.adapters.keys.folder import KeyFolder
from dissonance.adapters.mlflow.registry import MlflowRegistry
from dissonance.adapters.nats.bus import JetStreamBus
from dissonance.adapters.postgres import database
from dissonance.adapters.postgres.keys import PostgresDataSubjectKeys
from dissonance.adapters.postgres.migrate import Schema, migrate
from dissonance.adapters.postgres.store import PostgresStore
from dissonance.adapters.spool.outbox import SpoolingOutbox
from dissonance.adapters.spool.spool import Spool
from dissonance.contracts.topics import DEAD_STREAM, EventKind, stream
from dissonance.errors import ConfigurationError, EngineUnavailable
from dissonance.pipeline.estimates import PipelineEstimates
from dissonance.pipeline.updates import PipelineUpdates
from dissonance.ports.breaker import Breakers
from dissonance.ports.bus import Bus
from dissonance.ports.clock import Clock, Randomness
from dissonance.ports.host import Host
from dissonance.ports.keys import DataSubjectKeys
from dissonance.ports.registry import Registry
from dissonance.ports.store import Store
from dissonance.roles import ROLES
from dissonance.roles.catalogue import Catalogue
from dissonance.roles.loading import RegistryLoader
from dissonance.roles.role import AtWork, Role, Work, Workplace
from dissonance.roles.worker import Worker
from dissonance.security.artefacts import ArtefactKeys
from dissonance.security.signatures import seed_of
from dissonance.security.tokens import TokenVerifier, public_key_pem
from dissonance.settings import Settings
from dissonance.telemetry.metrics import Metrics
from dissonance.web.app import DissonanceApp, create_app
from dissonance.web.health import HealthCheck, require_answer
from dissonance.web.rate_limits import RateLimitedVerifier, Verifier
from dissonance.web.server import serve

WITHOUT_ENGINES = frozenset({"proposer"})
"""Roles that work while engines are away, and then are ready (ADR 40, ADR 41)."""


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
    breakers: Breakers


def addresses_of(settings: Settings) -> EngineAddresses:
    """Where the engines are: what the settings say, and for the rest what runs on the data folder.

    Raises `EngineUnavailable` when an address is neither given nor running.
    """
    given = EngineAddresses(settings.database_url, settings.keys_database_url, settings.nats_url, settings.mlflow_url)
    if all(msgspec.structs.astuple(given)):
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
    return EngineAddresses(**{name: value or running[name] for name, value in msgspec.structs.asdict(given).items()})


@asynccontextmanager
async def open_bus(settings: Settings) -> AsyncIterator[Bus]:
    """The bus alone, for commands that need nothing else."""
    bus = await _connect(settings, addresses_of(settings), SystemClock())
    try:
        yield bus
    finally:
        await bus.close()


async def _connect(settings: Settings, addresses: EngineAddresses, clock: Clock) -> JetStreamBus:
    return await JetStreamBus.connect(
        addresses.nats_url,
        clock=clock,
        ack_wait_s=settings.ack_wait_s,
        max_deliver=settings.max_deliver,
        duplicate_window_s=settings.duplicate_window_s,
        stream_max_age_s=settings.stream_max_age_s,
        stream_max_bytes=settings.stream_max_bytes,
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
    bus = await _connect(settings, addresses, clock)
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
        MlflowRegistry(addresses.mlflow_url),
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
            host=LocalHost(settings.data_folder, settings.keys_folder, settings.spool),
            clock=clock,
            randomness=randomness,
            key_folder=key_folder,
            artefact_keys=ArtefactKeys.from_seed(
                key_folder.derive("artefacts"), seed_of(key_folder.signing_private_key_pem)
            ),
            breakers=breakers,
        )
    finally:
        await bus.close()
        await store.close()
        await keys.close()


async def run_roles(
    settings: Settings,
    names: Sequence[str],
    *,
    stop: asyncio.Event,
    on_started: Callable[[str], None],
    on_grpc: Callable[[str], None] | None = None,
) -> None:
    """Run roles in this process until `stop` is set; then finish what is in hand and return.

    `on_started` gets the address of the HTTP API; before it `on_grpc` that of gRPC, where it is on. Raises
    `ConfigurationError` for a role that does not exist, and `SealBroken` when the keys are not those of the database:
    work done with them would end as dead letters.
    """
    roles = [_role(name) for name in names]
    async with open_system(settings) as system:
        await run_on(system, roles, stop=stop, on_started=on_started, on_grpc=on_grpc)


async def run_on(
    system: System,
    roles: Sequence[Role],
    *,
    stop: asyncio.Event,
    on_started: Callable[[str], None],
    on_grpc: Callable[[str], None] | None = None,
) -> None:
    """As `run_roles`, on engines that are connected already."""
    settings, metrics = system.settings, Metrics()
    await system.keys.ready()
    outbox = _outbox(system, metrics)
    models = RegistryLoader(system.registry, system.artefact_keys)
    catalogue = Catalogue(system.store, models, system.bus)
    place = Workplace(
        store=system.store,
        keys=system.keys,
        bus=system.bus,
        outbox=outbox,
        registry=system.registry,
        models=models,
        catalogue=catalogue,
        updates=PipelineUpdates(system),
        estimates=PipelineEstimates(system),
        host=system.host,
        clock=system.clock,
        randomness=system.randomness,
        metrics=metrics,
        breakers=system.breakers,
        spare_keys=settings.spare_keys,
    )
    at_work = {role.name: role.build(place) for role in roles}
    for engine, breaker in system.breakers.all().items():
        metrics.watch_breaker(engine, breaker)
    workers = {name: [_worker(system, metrics, work) for work in built.work] for name, built in at_work.items()}
    app = create_app(
        [built.router for built in at_work.values()],
        verifier=_verifier(system),
        clock=system.clock,
        randomness=system.randomness,
        metrics=metrics,
        health={name: _health(system, outbox, name, workers[name], stop) for name in at_work},
        engines=system.breakers.states,
        configuration=msgspec.structs.asdict(settings),
        max_body_bytes=settings.max_body_bytes,
    )
    async with _grpc(place, settings, app, at_work, stop, on_grpc):
        await _live(settings, app, [catalogue.follow, outbox.drain], at_work, workers, stop, on_started)
    await outbox.close()


@asynccontextmanager
async def _grpc(
    place: Workplace,
    settings: Settings,
    app: DissonanceApp,
    at_work: Mapping[str, AtWork],
    stop: asyncio.Event,
    on_started: Callable[[str], None] | None,
) -> AsyncIterator[None]:
    """Serve gRPC while the block lasts, where a role has a service and the setting a port."""
    services = [built.grpc for built in at_work.values() if built.grpc is not None]
    if settings.grpc_port < 0 or not services:
        yield
        return
    from dissonance.web.grpc_server import GrpcServer  # a process without gRPC does not load its library

    server = GrpcServer(
        services,
        verifier=app.state.verifier,
        health=app.state.health,
        clock=place.clock,
        metrics=place.metrics,
        max_message_bytes=settings.max_body_bytes,
    )
    async with server.serving(settings.http_host, settings.grpc_port, stop, settings.drain_s) as port:
        if on_started is not None:
            on_started(f"{settings.http_host}:{port}")
        yield


def _outbox(system: System, metrics: Metrics) -> SpoolingOutbox:
    spool = Spool(system.settings.spool, system.randomness.token(8).hex(), system.settings.spool_bytes)
    return SpoolingOutbox(system.bus, spool, system.breakers.make("outbox"), metrics)


async def _live(
    settings: Settings,
    app: DissonanceApp,
    always: Sequence[Callable[[], Awaitable[None]]],
    at_work: Mapping[str, AtWork],
    workers: Mapping[str, Sequence[Worker]],
    stop: asyncio.Event,
    on_started: Callable[[str], None],
) -> None:
    """Serve and work until `stop`; then requests first, since they may still cause work, and workers after."""
    async with asyncio.TaskGroup() as tasks:
        lasting = [tasks.create_task(_run(each)) for each in always]
        lasting += [tasks.create_task(_run(built.background)) for built in at_work.values() if built.background]
        for worker in (worker for group in workers.values() for worker in group):
            tasks.create_task(worker.run())
            lasting.append(tasks.create_task(worker.watch_lag()))

        def announce(port: int) -> None:
            on_started(f"http://{settings.http_host}:{port}")

        await serve(
            app, settings.http_host, settings.http_port, stop=stop, drain_s=settings.drain_s, on_started=announce
        )
        await asyncio.gather(*(built.drain() for built in at_work.values() if built.drain))
        for worker in (worker for group in workers.values() for worker in group):
            worker.stop()
        for task in lasting:
            task.cancel()


async def _run(background: Callable[[], Awaitable[None]]) -> None:
    await background()


def _role(name: str) -> Role:
    if name not in ROLES:
        raise ConfigurationError(
            f"there is no role '{name}'", where="roles", fix=f"the roles are {', '.join(ROLES)}, or all of them: all"
        )
    return ROLES[name]


def _worker(system: System, metrics: Metrics, work: Work) -> Worker:
    return Worker(
        system.bus,
        work.consumer,
        work.kinds,
        work.handle,
        clock=system.clock,
        randomness=system.randomness,
        metrics=metrics,
        ack_wait_s=system.settings.ack_wait_s,
        max_deliver=system.settings.max_deliver,
        fetch_messages=system.settings.fetch_messages,
        rest_s=work.rest_s,
    )


def _verifier(system: System) -> Verifier:
    settings = system.settings
    verifier = TokenVerifier(
        public_key_pem(system.key_folder.issuer_private_key_pem),
        issuer=settings.token_issuer,
        audience=settings.token_audience,
        clock=system.clock,
    )
    rate = settings.client_requests_per_s
    return RateLimitedVerifier(verifier, rate, system.clock) if rate > 0.0 else verifier


def _health(
    system: System, outbox: SpoolingOutbox, role: str, workers: Sequence[Worker], stop: asyncio.Event
) -> HealthCheck:
    async def check() -> None:
        if stop.is_set():
            raise EngineUnavailable("it is stopping", where="process", fix="ask another replica")
        if role in WITHOUT_ENGINES:
            await outbox.require_room()
        else:
            await asyncio.gather(
                require_answer("NATS", system.bus.ready),
                require_answer("the experience database", system.store.ready),
                require_answer("the keys database", system.keys.ready),
            )
        for worker in workers:
            if not worker.state.running or worker.state.waiting_for:
                raise EngineUnavailable(
                    f"waiting for {worker.state.waiting_for or 'its consumer to start'}",
                    where="worker",
                    fix="see dissonance status; it goes on by itself",
                )

    return check
