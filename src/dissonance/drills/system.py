"""The whole system as child processes in one data folder, for the demo, the drills and the acceptance tests.

    async with RunningSystem(folder / "data", folder / "logs") as system:
        await system.command("task", "create", "acs", "--data", "train.parquet", "--target", "employed")
        token = await system.token("client", task="acs")
        ...
        await system.kill("critic")
        await system.start("critic")

The engines run under `dissonance up`; every group of roles is one `dissonance run <role>…`. Nothing is shared with
this process but the folder, HTTP and the bus, as in production.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import psutil

from dissonance.adapters.clock import SystemRandomness
from dissonance.adapters.embedded.loopback import HOST
from dissonance.adapters.embedded.state import engine_pids
from dissonance.drills.children import Child, memory_of, run_command, start_child, start_until_ready
from dissonance.drills.client import DissonanceClient
from dissonance.errors import EngineError
from dissonance.roles.listed import ROLES
from dissonance.security.tls import Tls, trusting

ENGINES = "engines"
TWO_PROCESSES: Mapping[str, tuple[str, ...]] = {
    "proposer": ("proposer",),
    "backstage": tuple(role for role in ROLES if role != "proposer"),
}
"""The fast path alone, everything that may lag behind it together: the demo's and the benchmark's layout."""

ONE_EACH: Mapping[str, tuple[str, ...]] = {role: (role,) for role in ROLES}
"""Every role a process of its own: the layout of the drills that kill one role after the other."""


class RunningSystem:
    """Engines and roles as children; `groups` names each role process and the roles in it.

    Entering starts the engines; roles are started with `start` or `start_all`, since proposer and critic need nothing
    but find something to do only once a task is there. Leaving stops roles first, engines last, whatever happened.
    `settings` are fields of `Settings` that the children get beside the data folder; they get no other setting, also
    when the environment has some. `up`: options of `dissonance up`. `group_settings` are those of one group alone, such
    as other addresses of the engines, and may be changed until it starts. `variables` of the environment are for all
    children, commands included.
    """

    def __init__(
        self,
        data: Path,
        logs: Path,
        groups: Mapping[str, Sequence[str]] = TWO_PROCESSES,
        settings: Mapping[str, str] | None = None,
        up: Sequence[str] = (),
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.data = data
        self.logs = logs
        self.groups = dict(groups)
        self.engines_ready: dict[str, Any] = {}
        self.group_settings: dict[str, dict[str, str]] = {}
        self._settings = {**(settings or {}), "data": str(data)}
        self._up = tuple(up)
        self._variables = dict(variables or {})
        self._children: dict[str, Child] = {}
        self._ports: dict[str, int] = {}

    async def __aenter__(self) -> Self:
        await self.start_engines()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start_engines(self) -> dict[str, Any]:
        """`dissonance up`; returns what it said about its addresses when it was ready."""
        arguments = ("up", *self._up, "--json")
        child = await start_child(ENGINES, arguments, self._settings, self.logs, variables=self._variables)
        self._children[ENGINES] = child
        self.engines_ready = child.ready
        return child.ready

    async def start_all(self) -> None:
        await asyncio.gather(*(self.start(group) for group in self.groups))

    async def start(self, group: str, variables: Mapping[str, str] | None = None) -> Child:
        """Start, or start again, a group of roles; it gets the port it had before, so that its address stays.

        `variables` of the environment are for this start only.
        """
        roles = self.groups[group]
        port = self._ports.get(group, 0)
        arguments = ("run", *roles, "--port", str(port), "--json")
        settings = {**self._settings, **self.group_settings.get(group, {})}
        variables = {**self._variables, **(variables or {})}
        child = await start_child(group, arguments, settings, self.logs, variables=variables)
        self._children[group] = child
        self._ports[group] = _port_of(str(child.ready["url"]))
        return child

    async def start_again(
        self,
        group: str,
        *,
        within_s: float,
        say: Callable[[str], None],
        variables: Mapping[str, str] | None = None,
    ) -> Child:
        """`start` as a supervisor does it: until the group is ready, for `within_s` seconds; `say` is told why not."""
        return await start_until_ready(
            lambda: self.start(group, variables), within_s=within_s, say=lambda text: say(f"{group} {text}")
        )

    async def stop(self) -> None:
        """Roles together, then engines; SIGTERM, and SIGKILL for what does not listen."""
        children, self._children = self._children, {}
        engines = children.pop(ENGINES, None)
        await asyncio.gather(*(child.stop() for child in children.values()))
        if engines is not None:
            await engines.stop()

    async def stop_group(self, group: str) -> int:
        """SIGTERM to one group, which drains; returns its exit code."""
        return await self._children.pop(group).stop()

    async def kill(self, group: str) -> None:
        """SIGKILL to one group of roles; `start` brings it back."""
        await self._children.pop(group).kill()

    @property
    def tls(self) -> Tls:
        """The files that engines and roles go by."""
        return msgspec.convert(self.engines_ready["addresses"]["tls"], Tls)

    @property
    def authority(self) -> str:
        """Path of the certificate that clients trust, as `--cacert` of curl takes it."""
        return self.tls.authority

    def trust(self) -> ssl.SSLContext:
        """For clients of the roles."""
        return trusting(self.authority)

    def client(self, role: str, token: str | None, **options: Any) -> DissonanceClient:
        """Of the process that runs `role`; `options` are those of `DissonanceClient`."""
        return DissonanceClient(self.url(role), token, SystemRandomness(), tls=self.trust(), **options)

    def ready_of(self, group: str) -> dict[str, Any]:
        """What a group said when it was ready."""
        return self._children[group].ready

    def group_url(self, group: str) -> str:
        """Base address of one group, also while it is away."""
        return f"https://{HOST}:{self._ports[group]}"

    def port(self, group: str) -> int:
        """Where a group listens, also while it is away."""
        return self._ports[group]

    def pid(self, group: str) -> int:
        return self._children[group].pid

    def alive(self, group: str) -> bool:
        child = self._children.get(group)
        return child is not None and child.running

    def engine_pids(self) -> dict[str, int]:
        """Process ids of `postgresql`, `nats` and `mlflow`, of those that live now."""
        return engine_pids(self.data)

    async def kill_engine(self, name: str) -> int:
        """SIGKILL to one engine; `dissonance up` brings it back. Returns the pid that was killed."""
        pid = self.engine_pids()[name]
        with suppress(psutil.NoSuchProcess):
            psutil.Process(pid).kill()
        return pid

    def url(self, role: str) -> str:
        """Base address of the process that runs `role`, without a slash at the end."""
        for group, roles in self.groups.items():
            if role in roles and group in self._children:
                return str(self._children[group].ready["url"]).rstrip("/")
        raise EngineError(f"no process runs the role '{role}'", where="drill", fix="start its group first")

    async def command(self, *arguments: str, limit_s: float = 300.0, codes: Collection[int] = (0,)) -> Any:
        """`dissonance <arguments> --json` on this data folder, decoded. Raises `EngineError` with its last words,
        unless it ends with one of `codes`."""
        name, words = "-".join(arguments[:2]), (*arguments, "--json")
        return await run_command(name, words, self._settings, self.logs, limit_s, codes, self._variables)

    async def token(self, *grants: str, task: str = "*") -> str:
        """A token of the local issuer with these grants, valid for an hour."""
        asked = [word for grant in grants for word in ("--grant", grant)]
        made = await self.command("token", "create", *asked, "--task", task)
        return str(made["token"])

    def memory_bytes(self) -> dict[str, int]:
        """Bytes held now by each group of roles and by the engines, their children included."""
        return {name: memory_of(child.pid) for name, child in self._children.items() if child.running}


def _port_of(url: str) -> int:
    return int(url.rstrip("/").rsplit(":", 1)[1])
