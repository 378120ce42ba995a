"""PostgreSQL, NATS and MLflow on one data folder: started together, kept running, stopped cleanly (issue 2, item 2)."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import msgspec
import psutil

from dissonance.adapters.clock import SystemClock
from dissonance.adapters.embedded.account import unprivileged_account
from dissonance.adapters.embedded.addresses import EngineAddresses, EngineName
from dissonance.adapters.embedded.engine import Engine
from dissonance.adapters.embedded.folder import DataFolder
from dissonance.adapters.embedded.mlflow import MlflowEngine, prepare_tables
from dissonance.adapters.embedded.nats import SYNC_ALWAYS, NatsEngine
from dissonance.adapters.embedded.ports import Ports, port_again, port_of, read_ports, remember_ports
from dissonance.adapters.embedded.postgres import PostgresEngine, create_databases
from dissonance.adapters.embedded.preparation import BARE, Preparation
from dissonance.adapters.embedded.process import ProcessIdentity, stop_left_over
from dissonance.adapters.embedded.state import State, read_recorded_state, write_state
from dissonance.adapters.embedded.supervisor import Backoff, Report, SupervisedEngine
from dissonance.adapters.keys.folder import NO_GUARDS, KeyFolder
from dissonance.adapters.keys.guards import Guards
from dissonance.adapters.mlflow_server.database import DATABASE, grant
from dissonance.adapters.mlflow_server.files import Access
from dissonance.adapters.nats.credentials import NATS_KEYS, public_keys
from dissonance.adapters.nats.permissions import users
from dissonance.adapters.postgres.rights import MLFLOW, as_part, beside
from dissonance.adapters.tls.local_authority import LocalAuthority
from dissonance.contracts.bus_needs import NEEDS
from dissonance.errors import DataFolderError, DissonanceError
from dissonance.ports.clock import Clock, Randomness
from dissonance.security.live_tls import LOOK_EVERY_S, LiveTls
from dissonance.security.service_tokens import ServiceToken
from dissonance.security.tls import Tls
from dissonance.security.tokens import TokenIssuer, public_key_pem

ALL_ENGINES = frozenset(EngineName)


class EnginesSpecification(msgspec.Struct, frozen=True):
    """What to start.

    `external`: an address that is not empty points at an engine run by others, and no child is started for it.
    Its `tls` are certificates from files; none: those of the local authority, which `names` of this machine are also
    valid for. `wanted`: engines to leave out are not in it. Ports: 0 is any free one.
    `guards`: who may keep the root key.
    `nats_sync_interval`: `always`, or how often the broker's files are put on disk, as `2m`.
    `token_issuer`, `token_audience`: of the tokens that MLflow takes.
    """

    folder: Path
    keys_folder: Path
    environment: Mapping[str, str]
    external: EngineAddresses = EngineAddresses()
    names: tuple[str, ...] = ()
    wanted: frozenset[EngineName] = ALL_ENGINES
    nats_port: int = 0
    mlflow_port: int = 0
    nats_sync_interval: str = SYNC_ALWAYS
    token_issuer: str = "dissonance-local"  # noqa: S105 - a name, not a secret
    token_audience: str = "dissonance"  # noqa: S105 - a name, not a secret
    guards: Guards = NO_GUARDS
    backoff: Backoff = Backoff()


class EmbeddedEngines:
    """The engines of one data folder under this process.

    >>> async def serve(engines: EmbeddedEngines, stop: asyncio.Event) -> None:
    ...     addresses = await engines.start()
    ...     try:
    ...         await engines.run_until(stop)
    ...     finally:
    ...         await engines.stop()
    """

    def __init__(
        self,
        specification: EnginesSpecification,
        randomness: Randomness,
        report: Report = lambda line: None,
        *,
        preparation: Preparation = BARE,
        clock: Clock | None = None,
        look_at_certificates_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._specification = specification
        self._preparation = preparation
        self._randomness = randomness
        self._report = report
        self._clock = clock or SystemClock()
        self._look_at_certificates_every_s = look_at_certificates_every_s
        self._tls: LiveTls | None = None
        self._folder = DataFolder(specification.folder)
        self._supervised: dict[EngineName, SupervisedEngine] = {}
        self._children: dict[str, ProcessIdentity] = {}
        self._postgres: PostgresEngine | None = None
        self._addresses = specification.external
        self._ready = False
        self._before = Ports()

    async def start(self) -> EngineAddresses:
        """Start what is wanted and not external; returns when all of it answers and is prepared.

        Raises `DataFolderBusy`, `DataFolderError`, `EngineError`, `ConfigurationError` or what the preparation raises;
        nothing runs then.
        """
        self._folder.open()
        try:
            await asyncio.to_thread(self._end_left_overs)
            self._before = read_ports(self._folder)
            keys = await asyncio.to_thread(self._open_keys)
            live = self._tls = await asyncio.to_thread(self._certificates)
            self._addresses = msgspec.structs.replace(self._addresses, tls=live.tls)
            await _all_or_none([self._start_nats(keys, live.tls), self._start_postgres_then_mlflow(keys, live.tls)])
            self._ready = True
            remember_ports(self._folder, self._ports())
            self._write_state()
        except BaseException:
            await self.stop()
            raise
        return self._addresses

    async def run_until(self, stop: asyncio.Event) -> None:
        """Keep all engines running until `stop` is set. Raises `EngineError` when one does not come back."""
        keepers = [asyncio.create_task(supervised.keep_running()) for supervised in self._supervised.values()]
        keepers.append(asyncio.create_task(self._keep_certificates()))
        stopped = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait([stopped, *keepers], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await _cancel([stopped, *keepers])

    async def stop(self) -> None:
        """Stop the engines in reverse order, and give the folder back. Harmless when nothing runs."""
        for name in reversed(EngineName):
            supervised = self._supervised.pop(name, None)
            if supervised is not None:
                self._report(f"stopping {name}")
                await supervised.stop()
        if self._postgres is not None:
            self._postgres.remove_scratch()
            self._postgres = None
        if self._folder.is_locked:
            self._folder.state.unlink(missing_ok=True)
            self._folder.close()

    def _wants(self, name: EngineName) -> bool:
        external = self._specification.external
        given = {
            EngineName.POSTGRESQL: bool(external.database_url and external.keys_database_url),
            EngineName.NATS: bool(external.nats_url),
            EngineName.MLFLOW: bool(external.mlflow_url),
        }
        return name in self._specification.wanted and not given[name]

    def _certificates(self) -> LiveTls:
        given = self._specification.external.tls
        if given is not None:
            return LiveTls(given)
        names = self._specification.names
        authority = LocalAuthority(self._specification.keys_folder, self._clock, self._randomness, names)
        return LiveTls(authority.tls, authority.renew)

    async def _keep_certificates(self) -> NoReturn:
        """Renew them before they expire; the broker is told, MLflow looks for itself."""
        assert self._tls is not None, "start() comes first"
        while True:
            await asyncio.sleep(self._look_at_certificates_every_s)
            try:
                renewed = self._tls.refresh()
            except DissonanceError as error:
                self._report(f"certificates were not renewed: {error}")
                continue
            if renewed:
                self._report("certificates were renewed")
                if EngineName.NATS in self._supervised:
                    self._supervised[EngineName.NATS].send(signal.SIGHUP)

    async def _start_nats(self, keys: KeyFolder, tls: Tls) -> None:
        if not self._wants(EngineName.NATS):
            return
        engine = NatsEngine(
            self._folder,
            self._specification.environment,
            store_key=keys.nats_store_key,
            password=keys.nats_password,
            users=users(NEEDS, public_keys(keys.folder / NATS_KEYS, NEEDS, self._randomness)),
            # With a letter first: the server reads a variable that looks like a number as one.
            supervisor_password=f"p{self._randomness.token(16).hex()}",
            tls=tls,
            port=port_again(self._specification.nats_port, self._before.nats, engine="nats", report=self._report),
            sync_interval=self._specification.nats_sync_interval,
        )
        self._addresses = msgspec.structs.replace(self._addresses, nats_url=engine.url)
        await self._supervise(engine)
        await self._preparation.streams(self._addresses, keys)

    async def _start_postgres_then_mlflow(self, keys: KeyFolder, tls: Tls) -> None:
        """MLflow starts when all databases are prepared: it reads in ours who may come in."""
        if self._wants(EngineName.POSTGRESQL):
            await self._start_postgres()
        mlflow = self._mlflow(keys, tls) if self._wants(EngineName.MLFLOW) else None
        work: list[Coroutine[Any, Any, None]] = []
        if self._wants(EngineName.POSTGRESQL):
            work.append(self._prepare_databases(keys))
        if mlflow is not None:
            work.append(self._prepare_mlflow())
        await _all_or_none(work)
        if mlflow is not None:
            await self._supervise(mlflow)

    async def _prepare_databases(self, keys: KeyFolder) -> None:
        await self._preparation.databases(self._addresses, keys)

    async def _start_postgres(self) -> None:
        account = unprivileged_account()
        engine = self._postgres = PostgresEngine(self._folder, account, self._specification.environment)
        await asyncio.to_thread(engine.initialise)
        external = self._specification.external
        self._addresses = msgspec.structs.replace(
            self._addresses,
            database_url=external.database_url or engine.url("dissonance"),
            keys_database_url=external.keys_database_url or engine.url("dissonance_keys"),
        )
        await self._supervise(engine)
        await engine.create_databases()

    async def _prepare_mlflow(self) -> None:
        if self._specification.external.database_url:
            await create_databases(self._addresses.database_url, (DATABASE,))
        url = self._mlflow_database()
        await prepare_tables(url, self._folder, self._specification.environment, report=self._report)
        if not self._specification.external.database_url:
            await asyncio.to_thread(grant, url)

    def _mlflow_database(self) -> str:
        """As its owner."""
        return beside(self._addresses.database_url, DATABASE)

    def _mlflow(self, keys: KeyFolder, tls: Tls) -> MlflowEngine:
        """As a role of its own on our server; an address that is given says who comes."""
        database, own = self._addresses.database_url, self._mlflow_database()
        engine = MlflowEngine(
            self._folder,
            self._specification.environment,
            database_url=own if self._specification.external.database_url else as_part(own, MLFLOW),
            access=self._access(keys, urlsplit(database).path.lstrip("/")),
            token=self._token(keys),
            form_secret=self._randomness.token(32).hex(),
            tls=tls,
            port=port_again(self._specification.mlflow_port, self._before.mlflow, engine="mlflow", report=self._report),
        )
        self._addresses = msgspec.structs.replace(self._addresses, mlflow_url=engine.url)
        return engine

    def _access(self, keys: KeyFolder, database: str) -> Access:
        wanted = self._specification
        return Access(public_key_pem(keys.issuer_private_key_pem), wanted.token_issuer, wanted.token_audience, database)

    def _token(self, keys: KeyFolder) -> ServiceToken:
        """The supervisor's own, to ask with."""
        wanted, clock = self._specification, SystemClock()
        issuer = TokenIssuer(
            keys.issuer_private_key_pem,
            issuer=wanted.token_issuer,
            audience=wanted.token_audience,
            clock=clock,
            randomness=self._randomness,
        )
        return ServiceToken(issuer, clock, subject="supervisor", grant="viewer")

    async def _supervise(self, engine: Engine) -> None:
        self._report(f"starting {engine.name}")
        supervised = SupervisedEngine(
            engine, report=self._report, started=self._note_child, backoff=self._specification.backoff
        )
        self._supervised[engine.name] = supervised
        await supervised.start()
        self._report(f"{engine.name} is ready")

    def _ports(self) -> Ports:
        """Those of our own engines; one that was not started now keeps the port it had."""
        ours = self._supervised.keys()
        return Ports(
            nats=port_of(self._addresses.nats_url) if EngineName.NATS in ours else self._before.nats,
            mlflow=port_of(self._addresses.mlflow_url) if EngineName.MLFLOW in ours else self._before.mlflow,
        )

    def _note_child(self, name: str, identity: ProcessIdentity) -> None:
        self._children[name] = identity
        self._write_state()

    def _write_state(self) -> None:
        process = psutil.Process(os.getpid())
        state = State(
            supervisor=ProcessIdentity(process.pid, process.create_time(), tuple(process.cmdline())),
            addresses=self._addresses,
            children=dict(self._children),
            scratch=tuple(str(path) for path in self._postgres.scratch) if self._postgres else (),
            ready=self._ready,
        )
        try:
            write_state(self._folder.root, state)
        except OSError as error:
            raise DataFolderError(
                f"the state of the engines cannot be written: {error.strerror}",
                where=str(self._folder.state),
                fix="free space on its disk",
            ) from error

    def _open_keys(self) -> KeyFolder:
        specification = self._specification
        return KeyFolder.open_or_create(specification.keys_folder, self._randomness, specification.guards)

    def _end_left_overs(self) -> None:
        """What a killed supervisor left: we hold the lock, so whoever wrote the state is gone."""
        state = read_recorded_state(self._folder.root)
        if state is None:
            return
        for name in reversed(EngineName):
            child = state.children.get(name)
            how = signal.SIGINT if name is EngineName.POSTGRESQL else signal.SIGTERM
            if child is not None and stop_left_over(child, how):
                self._report(f"ended {name} of an earlier start (pid {child.pid})")
        for path in map(Path, state.scratch):
            if path.parent == Path(tempfile.gettempdir()) and path.name.startswith("dissonance-"):
                shutil.rmtree(path, ignore_errors=True)
        self._folder.state.unlink(missing_ok=True)


async def _all_or_none(work: list[Coroutine[Any, Any, None]]) -> None:
    """Run side by side; the first error ends the others, then is raised."""
    if not work:
        return
    tasks = [asyncio.create_task(coroutine) for coroutine in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        await _cancel(tasks)


async def _cancel(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
