"""What the campaign runs on: engines, two proposers behind a load balancer, every other role, and links that can fail.

Every role reaches NATS, PostgreSQL and MLflow by a link of its own, so that each can be slowed or cut off alone.
"""

from __future__ import annotations

import asyncio
import signal
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

import msgspec
import psutil

from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.adapters.embedded.postgres import LONGEST_SOCKET_PATH, SOCKET_NAME
from dissonance.adapters.embedded.status import without_password
from dissonance.adapters.nats.credentials import NATS_KEYS, seed_file
from dissonance.adapters.postgres.rights import as_part
from dissonance.contracts.bus_needs import known_as
from dissonance.drills import census
from dissonance.drills.faults.balancer import Balancer
from dissonance.drills.faults.proxy import Link, tcp_link, unix_link
from dissonance.drills.soak.traffic import TIME
from dissonance.drills.system import RunningSystem
from dissonance.errors import EngineError
from dissonance.roles.listed import ROLES

REPLICAS = ("proposer-1", "proposer-2")
BACKSTAGE = tuple(role for role in ROLES if role != "proposer")
GROUPS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(REPLICAS, ("proposer",)),
    **{role: (role,) for role in BACKSTAGE},
}
ENGINES = ("nats", "postgresql", "mlflow")

RESTART_AFTER_S = 1.0
"""Seconds after which a process manager, as systemd or a kubelet, starts a role again that ended; here it is the
drill. Engines are started again by `dissonance up`."""

RESTART_LIMIT_S = 60.0
DRAIN = {"drain_s": "1.5"}
"""What the settings' page asks of a replica behind a balancer: longer than the balancer needs to see that it stops."""

READY_EVERY_S = 0.1


class Stand:
    """Entering starts engines and links; `furnish` makes the task, `open` starts roles and balancer."""

    def __init__(self, folder: Path, say: Any, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.say = say
        self.system = RunningSystem(self.data, self.data / "logs" / "roles", GROUPS, environment)
        self.balancer: Balancer | None = None
        self.links: dict[tuple[str, str], Link] = {}
        self._restarts: set[asyncio.Task[None]] = set()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._stack = AsyncExitStack()
        try:
            await self._stack.enter_async_context(self.system)
            await self._open_links(msgspec.convert(self.system.engines_ready["addresses"], EngineAddresses))
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in list(self._restarts):
            task.cancel()
        await asyncio.gather(*self._restarts, return_exceptions=True)
        await self._stack.aclose()

    async def furnish(self, training: Path) -> None:
        """A task with a model in production and a second one that serves nobody yet."""
        await self.system.command(*census.create_arguments(training), "--time", TIME)
        await self.system.command("models", "retrain", census.TASK)

    async def open(self) -> str:
        """Start all roles, then the balancer; returns its address."""
        self._stack.push_async_callback(self._stop_roles)
        await self.system.start_all()
        ports = [self.system.port(replica) for replica in REPLICAS]
        self.balancer = await Balancer.start(self.folder / "caddy", ports, self.system.tls)
        self._stack.push_async_callback(self.balancer.stop)
        return self.balancer.url

    @property
    def restarting(self) -> bool:
        """Whether a role is on its way back. Raises what kept one from coming back."""
        for task in [each for each in self._restarts if each.done()]:
            self._restarts.discard(task)
            task.result()
        return bool(self._restarts)

    def start_later(self, group: str, variables: Mapping[str, str] | None = None) -> None:
        """As a process manager does it: after `RESTART_AFTER_S`, and again until it is ready."""
        self._restarts.add(asyncio.create_task(self.start_again(group, RESTART_AFTER_S, variables)))

    async def start_again(
        self, group: str, after_s: float = RESTART_AFTER_S, variables: Mapping[str, str] | None = None
    ) -> None:
        await asyncio.sleep(after_s)
        await self.system.start_again(group, within_s=RESTART_LIMIT_S, say=self.say, variables=variables)

    def start_missing(self) -> None:
        """Whatever gave up coming back: what a person would do."""
        for group in GROUPS:
            if not self.system.alive(group):
                self.start_later(group)

    async def terminate(self, group: str) -> None:
        """SIGTERM to a role; returns when it has ended. Raises `EngineError` when it is away."""
        self._require(group)
        await self.system.stop_group(group)

    async def kill(self, target: str) -> None:
        """SIGKILL to a role or an engine, without its children. Raises `EngineError` when it is away."""
        self._require(target)
        if target in GROUPS:
            await self.system.kill(target)
        else:
            await self.system.kill_engine(target)

    def _require(self, target: str) -> None:
        if not self.processes(target):
            raise EngineError(f"{target} is away", where="fault campaign", fix="see its log")

    def replace_later(self, group: str) -> None:
        """SIGTERM now, and a start by the process manager once it has ended. Raises `EngineError` when it is away."""
        self._require(group)

        async def replace() -> None:
            await self.terminate(group)
            await self.start_again(group)

        self._restarts.add(asyncio.create_task(replace()))

    async def _stop_roles(self) -> None:
        """While engines and links are still there to be told of what is in hand."""
        await asyncio.gather(*(self.terminate(group) for group in GROUPS if self.system.alive(group)))

    def processes(self, target: str) -> list[psutil.Process]:
        """A role or an engine, with all of its children; none while it is away."""
        if target in GROUPS:
            pid = self.system.pid(target) if self.system.alive(target) else None
        else:
            pid = self.system.engine_pids().get(target)
        if pid is None:
            return []
        with suppress(psutil.NoSuchProcess):
            parent = psutil.Process(pid)
            return [parent, *parent.children(recursive=True)]
        return []

    def send(self, target: str, number: signal.Signals, *, children: bool = True) -> None:
        """To the first process of a role or an engine, then to its children. Raises `EngineError` when it is away."""
        self._require(target)
        for process in self.processes(target)[: None if children else 1]:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def links_of(self, group: str | None = None, engine: str | None = None) -> Iterable[Link]:
        """Of one role, to one engine, or both."""
        return [
            link
            for (of, to), link in self.links.items()
            if (group is None or of == group) and (engine is None or to == engine)
        ]

    async def _open_links(self, addresses: EngineAddresses) -> None:
        sockets = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="dissonance-links-")))
        for group in GROUPS:
            nats_url = await self._tcp(group, "nats", addresses.nats_url)
            mlflow_url = await self._tcp(group, "mlflow", addresses.mlflow_url)
            folder = sockets / group
            folder.mkdir(mode=0o700)
            await self._unix(group, socket_of(addresses.database_url), folder / SOCKET_NAME)
            part = known_as(GROUPS[group])
            self.system.group_settings[group] = {
                "nats_url": without_password(nats_url),
                "nats_credentials": str(seed_file(self.data / "keys" / NATS_KEYS, part)),
                "mlflow_url": mlflow_url,
                "mlflow_takes_our_tokens": "true",
                "database_url": as_part(at_socket(addresses.database_url, folder), part),
                "keys_database_url": as_part(at_socket(addresses.keys_database_url, folder), part),
                **(DRAIN | {"spool_folder": str(self.data / "logs" / "spool")} if group in REPLICAS else {}),
            }

    async def _tcp(self, group: str, engine: str, url: str) -> str:
        parts = urlsplit(url)
        link, port = await tcp_link(str(parts.hostname), int(parts.port or 0))
        self._keep(group, engine, link)
        credentials, at, _ = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{credentials}{at}{parts.hostname}:{port}"))

    async def _unix(self, group: str, target: Path, listen: Path) -> None:
        # It speaks of the drill itself, and of nothing that comes in.
        # nosemgrep: check-by-assert
        assert len(str(listen)) <= LONGEST_SOCKET_PATH, "temporary folders have short names"
        self._keep(group, "postgresql", await unix_link(target, listen))

    def _keep(self, group: str, engine: str, link: Link) -> None:
        self.links[group, engine] = link
        self._stack.push_async_callback(link.close)


def socket_of(url: str) -> Path:
    """Where the database at this address listens.

    >>> socket_of("postgresql://postgres@/dissonance?host=/d/postgres")
    PosixPath('/d/postgres/.s.PGSQL.5432')
    """
    return Path(parse_qs(urlsplit(url).query)["host"][0]) / SOCKET_NAME


def at_socket(url: str, folder: Path) -> str:
    """The same database by a socket in another folder.

    >>> at_socket("postgresql://postgres@/dissonance?host=/d/postgres", Path("/links"))
    'postgresql://postgres@/dissonance?host=/links'
    """
    return urlunsplit(urlsplit(url)._replace(query=f"host={quote(str(folder), safe='/')}"))
