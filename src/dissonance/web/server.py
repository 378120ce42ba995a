"""Serve an app inside a running event loop, beside the roles of the process, until an event says stop."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import uvicorn
from starlette.types import ASGIApp

from dissonance.errors import ConfigurationError
from dissonance.telemetry.logs import log
from dissonance.telemetry.names import LogAction
from dissonance.web.connections import PunctualProtocol, most_connections, sweep

GRACE_S = 10  # seconds that open requests get to finish once stop was asked for
KEEP_ALIVE_S = 75  # seconds an idle connection is kept; longer than the 60 s of common load balancers
SWEEP_S = 1.0  # seconds between two looks for connections that are late
BACKLOG = 2048  # connections that may wait to be accepted

_logger = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the process has its own, which set the stop event."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._announce()


async def serve(
    app: ASGIApp,
    host: str,
    port: int,
    *,
    stop: asyncio.Event,
    on_started: Callable[[int], None] | None = None,
    drain_s: float = 0.0,
    grace_s: int = GRACE_S,
    protocol: type[PunctualProtocol] = PunctualProtocol,
    sweep_s: float = SWEEP_S,
    tls: ssl.SSLContext | None = None,
) -> None:
    """Serve until `stop` is set, and for `drain_s` seconds more, in which whoever sends requests may notice; then take
    no new connection, let open requests finish for `grace_s` seconds, return.

    With `tls` a caller that speaks anything else is cut off; what is loaded into it later holds for new connections.
    `port` 0 takes any free one. `on_started` gets the bound port once connections are taken.
    Raises `ConfigurationError` when the address cannot be bound.
    """
    with _bound(host, port) as listener:
        bound_port: int = listener.getsockname()[1]

        def announce() -> None:
            log(_logger, LogAction.HTTP_STARTED, host=host, port=bound_port)
            if on_started is not None:
                on_started(bound_port)

        server = _Server(_configuration(app, grace_s, protocol, tls), announce)
        stopping = asyncio.create_task(_ask_to_exit(server, stop, drain_s))
        sweeping = asyncio.create_task(sweep(server.server_state.connections, sweep_s))
        try:
            await server.serve(sockets=[listener])
        finally:
            for task in (stopping, sweeping):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
    log(_logger, LogAction.HTTP_STOPPED, host=host, port=bound_port)


def _configuration(
    app: ASGIApp, grace_s: int, protocol: type[PunctualProtocol], tls: ssl.SSLContext | None
) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=protocol,
        limit_concurrency=most_connections(),
        ws="none",
        lifespan="off",
        interface="asgi3",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=grace_s,
        backlog=BACKLOG,
        ssl_context_factory=None if tls is None else lambda config, default: tls,
    )


async def _ask_to_exit(server: uvicorn.Server, stop: asyncio.Event, drain_s: float) -> None:
    await stop.wait()
    await asyncio.sleep(drain_s)
    server.should_exit = True


def _bound(host: str, port: int) -> socket.socket:
    """A listening address. Without SO_REUSEPORT: a second process on the same port is an error, not a partner."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        raise ConfigurationError(
            f"cannot listen on {host} port {port}: {error}",
            where="DISSONANCE_HTTP_HOST, DISSONANCE_HTTP_PORT",
            fix="choose another port, or 0 for any free one",
        ) from error
