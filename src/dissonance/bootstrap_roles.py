"""Roles at work in this process, on engines that are connected."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import NamedTuple

import msgspec

from dissonance.adapters.oidc.documents import HttpIssuerDocuments
from dissonance.adapters.spool.accesses import SPOOL_BYTES, SpoolingAccesses
from dissonance.adapters.spool.outbox import SpoolingOutbox
from dissonance.adapters.spool.spool import Spool
from dissonance.bootstrap import System, open_system, trusted_issuers
from dissonance.bootstrap_issuing import issuing_routes
from dissonance.contracts.bus_needs import known_as
from dissonance.errors import ConfigurationError, EngineUnavailable
from dissonance.pipeline.anchoring import ChainAnchoring
from dissonance.pipeline.estimates import PipelineEstimates
from dissonance.pipeline.updates import PipelineUpdates
from dissonance.roles.catalogue import Catalogue
from dissonance.roles.credential_following import CredentialFollowing
from dissonance.roles.issuer_keys import IssuerKeys
from dissonance.roles.listed import ROLES
from dissonance.roles.loading import RegistryLoader
from dissonance.roles.role import AtWork, Role, Work, Workplace
from dissonance.roles.worker import Worker
from dissonance.security.grants import read_grants
from dissonance.security.issuers import TrustedIssuer
from dissonance.security.tls import Wire
from dissonance.security.tokens import LocalIssuer, public_key_pem
from dissonance.security.verifier import API_KEYS, TokenVerifier
from dissonance.settings import Settings
from dissonance.telemetry.logs import log
from dissonance.telemetry.metrics import Metrics
from dissonance.telemetry.names import LogAction
from dissonance.web.app import DissonanceApp, create_app
from dissonance.web.grpc_versions import refuse_older_tls
from dissonance.web.health import HealthCheck, require_answer
from dissonance.web.preparing import PreparingVerifier
from dissonance.web.rate_limits import RateLimitedVerifier, Verifier
from dissonance.web.renewing import renew_for_ever
from dissonance.web.routes import ProtectedRouter
from dissonance.web.server import serve

_logger = logging.getLogger(__name__)

WITHOUT_ENGINES = frozenset({"proposer"})
"""Roles that work while engines are away, and then are ready (ADR 40, ADR 41)."""


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
    async with open_system(settings, known_as(names)) as system:
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
    for wire in system.host.unprotected():
        log(_logger, LogAction.CONNECTION_PLAIN, logging.WARNING, connection=wire, setting="plain_connections")
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
        anchoring=ChainAnchoring(system),
        host=system.host,
        clock=system.clock,
        randomness=system.randomness,
        metrics=metrics,
        breakers=system.breakers,
        verification_key=system.artefact_keys.verification,
        replica=f"{platform.node()}/{os.getpid()}",
        spare_keys=settings.spare_keys,
    )
    at_work = {role.name: role.build(place) for role in roles}
    for engine, breaker in system.breakers.all().items():
        metrics.watch_breaker(engine, breaker)
    workers = {name: [_worker(system, metrics, work) for work in built.work] for name, built in at_work.items()}
    entrance = await _entrance(system)
    app = create_app(
        [*(built.router for built in at_work.values()), *_issuing(system, at_work)],
        verifier=entrance.verifier,
        clock=system.clock,
        randomness=system.randomness,
        metrics=metrics,
        health={name: _health(system, outbox, name, built, workers[name], stop) for name, built in at_work.items()},
        engines=system.breakers.states,
        configuration=msgspec.structs.asdict(settings),
        max_body_bytes=settings.max_body_bytes,
    )
    accesses = _accesses(system, app, place.replica, metrics)
    async with _grpc(system, metrics, app, at_work, stop, on_grpc):
        renewing = partial(renew_for_ever, system.tls)
        always: list[Callable[[], Awaitable[None]]] = [catalogue.follow, outbox.drain, accesses.follow, renewing]
        await _live(system, app, [*always, *entrance.follows], at_work, workers, stop, on_started)
    await outbox.close()
    await accesses.close()


@asynccontextmanager
async def _grpc(
    system: System,
    metrics: Metrics,
    app: DissonanceApp,
    at_work: Mapping[str, AtWork],
    stop: asyncio.Event,
    on_started: Callable[[str], None] | None,
) -> AsyncIterator[None]:
    """Serve gRPC while the block lasts, where a role has a service and the setting a port."""
    settings = system.settings
    services = [built.grpc for built in at_work.values() if built.grpc is not None]
    if settings.grpc_port < 0 or not services:
        yield
        return
    refuse_older_tls()
    from dissonance.web.grpc_server import GrpcServer  # a process without gRPC does not load its library

    server = GrpcServer(
        services,
        verifier=app.state.verifier,
        lockout=app.state.lockout,
        trail=app.state.trail,
        health=app.state.health,
        clock=system.clock,
        metrics=metrics,
        max_message_bytes=settings.max_body_bytes,
        tls=None if Wire.GRPC in settings.plain else system.tls,
    )
    async with server.serving(settings.http_host, settings.grpc_port, stop, settings.drain_s) as port:
        if on_started is not None:
            on_started(f"{settings.http_host}:{port}")
        yield


def _outbox(system: System, metrics: Metrics) -> SpoolingOutbox:
    spool = Spool(system.settings.spool, system.randomness.token(8).hex(), system.settings.spool_bytes)
    return SpoolingOutbox(system.bus, spool, system.breakers.make("outbox"), metrics)


def _accesses(system: System, app: DissonanceApp, replica: str, metrics: Metrics) -> SpoolingAccesses:
    return SpoolingAccesses(
        system.store,
        Spool(system.settings.access_spool, system.randomness.token(8).hex(), SPOOL_BYTES),
        system.anchors,
        app.state.trail.take,
        by=replica,
        randomness=system.randomness,
        metrics=metrics,
    )


async def _live(
    system: System,
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

        settings = system.settings
        is_plain = Wire.HTTP in settings.plain

        def announce(port: int) -> None:
            on_started(f"{'http' if is_plain else 'https'}://{settings.http_host}:{port}")

        await serve(
            app,
            settings.http_host,
            settings.http_port,
            stop=stop,
            drain_s=settings.drain_s,
            on_started=announce,
            tls=None if is_plain else system.tls.server,
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
        linger_s=work.linger_s,
    )


def _issuing(system: System, at_work: Mapping[str, AtWork]) -> list[ProtectedRouter]:
    """Where people and programs come in, they get tokens, too; other roles need not know what a password is."""
    return issuing_routes(system) if "proposer" in at_work else []


class _Entrance(NamedTuple):
    """Who admits callers, and what keeps it current."""

    verifier: Verifier
    follows: Sequence[Callable[[], Awaitable[None]]]


async def _entrance(system: System) -> _Entrance:
    """What is revoked is known before the first caller comes; keys of issuers come when they come."""
    settings, clock = system.settings, system.clock
    local = LocalIssuer(
        public_key_pem(system.key_folder.issuer_private_key_pem),
        issuer=settings.token_issuer,
        audience=settings.token_audience,
    )
    known = read_grants(settings.grants)
    trusted = [TrustedIssuer(rules, known) for rules in trusted_issuers(settings, known)]
    tokens = TokenVerifier([local, *trusted], clock=clock)
    credentials = CredentialFollowing(system.store, system.bus, clock, tokens.use)
    keys = [IssuerKeys(issuer, HttpIssuerDocuments(), clock, tokens.signers_changed) for issuer in trusted]
    await credentials.read()
    refreshes = {issuer.rules.url: each.refresh for issuer, each in zip(trusted, keys, strict=True)}
    verifier: Verifier = PreparingVerifier(tokens, {API_KEYS: credentials.refresh, **refreshes})
    if settings.client_requests_per_s > 0.0:
        verifier = RateLimitedVerifier(verifier, settings.client_requests_per_s, clock)
    return _Entrance(verifier, [credentials.follow, *(each.follow for each in keys)])


def _health(
    system: System, outbox: SpoolingOutbox, role: str, built: AtWork, workers: Sequence[Worker], stop: asyncio.Event
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
        if built.ready is not None:
            await built.ready()
        for worker in workers:
            if not worker.state.running or worker.state.waiting_for:
                raise EngineUnavailable(
                    f"waiting for {worker.state.waiting_for or 'its consumer to start'}",
                    where="worker",
                    fix="see dissonance status; it goes on by itself",
                )

    return check
