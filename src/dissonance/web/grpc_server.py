"""Serve gRPC inside a running event loop, beside HTTP: the same tokens, permissions, limits and errors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import grpc
from google.protobuf.message import DecodeError

from dissonance.errors import ConfigurationError, DissonanceError, MalformedBody
from dissonance.ports.clock import Clock
from dissonance.security.live_tls import LiveTls
from dissonance.security.permissions import Permission
from dissonance.security.tokens import Identity
from dissonance.telemetry.logs import log, log_exception
from dissonance.telemetry.metrics import Metrics
from dissonance.telemetry.names import LogAction
from dissonance.web.admission import require, token_of
from dissonance.web.grpc_credentials import credentials_of
from dissonance.web.grpc_service import Call, GrpcService, Method
from dissonance.web.health import Health
from dissonance.web.problems import shown
from dissonance.web.rate_limits import Verifier

GRACE_S = 10  # seconds that open calls get to finish once stop was asked for
SLUG = "dissonance-problem"
"""Key of the trailing metadata that names the error (docs/problems.md)."""

CODES = {
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.FAILED_PRECONDITION,
    410: grpc.StatusCode.FAILED_PRECONDITION,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
"""By HTTP status; what else a caller can mend is INVALID_ARGUMENT, what else happens here INTERNAL."""

_logger = logging.getLogger(__name__)


class GrpcServer:
    """`max_message_bytes` is the limit of one message, as `max_body_bytes` is of a body. `tls`: what it shows to each
    new caller; none: it speaks plainly."""

    def __init__(
        self,
        services: Sequence[GrpcService],
        *,
        verifier: Verifier,
        health: Health,
        clock: Clock,
        metrics: Metrics,
        max_message_bytes: int,
        tls: LiveTls | None = None,
    ) -> None:
        self._services = services
        self._verifier = verifier
        self._health = health
        self._clock = clock
        self._metrics = metrics
        self._max_message_bytes = max_message_bytes
        self._tls = tls

    @asynccontextmanager
    async def serving(self, host: str, port: int, stop: asyncio.Event, drain_s: float = 0.0) -> AsyncIterator[int]:
        """Serve until `stop` is set, and for `drain_s` seconds more, in which whoever calls may notice; then take
        nothing new, and let open calls finish for `GRACE_S` seconds. Gives the bound port; leaving the block waits for
        the end.

        `port` 0 takes any free one. Raises `ConfigurationError` when the address cannot be bound.
        """
        # Without SO_REUSEPORT: a second process on the same port is an error, not a partner.
        options = [("grpc.max_receive_message_length", self._max_message_bytes), ("grpc.so_reuseport", 0)]
        server = grpc.aio.server(options=[*options, ("grpc.max_send_message_length", -1)])
        server.add_generic_rpc_handlers([self._handlers(service) for service in self._services])
        address = f"[{host}]" if ":" in host else host
        try:
            bound = self._listen(server, f"{address}:{port}")
        except RuntimeError as error:
            raise ConfigurationError(
                f"cannot listen on {host} port {port} for gRPC",
                where="DISSONANCE_HTTP_HOST, DISSONANCE_GRPC_PORT",
                fix="choose another port, 0 for any free one, or -1 for no gRPC",
            ) from error
        await server.start()
        log(_logger, LogAction.GRPC_STARTED, host=host, port=bound)
        stopping = asyncio.create_task(_stop(server, stop, drain_s))
        try:
            yield bound
            await stopping
        finally:
            stopping.cancel()
            await server.stop(0)
            log(_logger, LogAction.GRPC_STOPPED, host=host, port=bound)

    def _listen(self, server: grpc.aio.Server, address: str) -> int:
        """The port. Raises `RuntimeError` when there is none."""
        if self._tls is None:
            return int(server.add_insecure_port(address))
        return int(server.add_secure_port(address, credentials_of(self._tls)))

    def _handlers(self, service: GrpcService) -> grpc.GenericRpcHandler:
        # Messages stay bytes until the caller is admitted.
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(self._behaviour(name, method))
            for name, method in service.methods.items()
        }
        return grpc.method_handlers_generic_handler(service.name, handlers)

    def _behaviour(self, name: str, method: Method) -> Callable[..., object]:
        async def answer(body: bytes, context: grpc.aio.ServicerContext) -> bytes:
            started_us, code = self._clock.now_us(), grpc.StatusCode.CANCELLED
            try:
                reply = await self._answer(method, body, context)
                code = grpc.StatusCode.OK
                return reply
            except DissonanceError as error:
                code = code_of(error)
                await self._refuse(context, name, code, error)
            except Exception as error:  # noqa: BLE001 - the edge of gRPC: every answer is a typed one
                code = grpc.StatusCode.INTERNAL
                self._metrics.unexpected_errors.labels("grpc").inc()
                log_exception(_logger, LogAction.GRPC_FAILED, error, method=name)
                await context.abort(code, DissonanceError.title, ((SLUG, DissonanceError.slug),))
            finally:
                self._metrics.grpc_requests.labels(name, code.name).inc()
                self._metrics.grpc_duration.labels(name).observe(max(0, self._clock.now_us() - started_us) / 1e6)
            raise AssertionError("an aborted call goes on")

        return answer

    async def _answer(self, method: Method, body: bytes, context: grpc.aio.ServicerContext) -> bytes:
        metadata = [(key, value) for key, value in context.invocation_metadata() or () if isinstance(value, str)]
        identity = self._admitted(method.permission, metadata)
        try:
            message = method.request.FromString(body)
        except DecodeError as error:
            raise MalformedBody("the message is not of its type", where="message", fix="see the .proto") from error
        key = dict(metadata).get("idempotency-key")
        reply: bytes = (await method.handle(Call(message, body, identity, key, self._health))).SerializeToString()
        return reply

    def _admitted(self, permission: Permission, metadata: Sequence[tuple[str, str]]) -> Identity | None:
        if permission is Permission.PUBLIC:
            return None
        given = [value.encode() for key, value in metadata if key == "authorization"]
        identity = self._verifier.verify(token_of(given))
        require(identity, permission)
        return identity

    async def _refuse(
        self, context: grpc.aio.ServicerContext, name: str, code: grpc.StatusCode, error: DissonanceError
    ) -> None:
        level = logging.ERROR if error.status >= 500 else logging.INFO
        log(_logger, LogAction.GRPC_FAILED, level, method=name, slug=error.slug, where=error.where)
        await context.abort(code, shown(error), ((SLUG, error.slug),))


async def _stop(server: grpc.aio.Server, stop: asyncio.Event, drain_s: float) -> None:
    await stop.wait()
    await asyncio.sleep(drain_s)
    await server.stop(GRACE_S)


def code_of(error: DissonanceError) -> grpc.StatusCode:
    """
    >>> code_of(MalformedBody("no rows")).name
    'INVALID_ARGUMENT'
    """
    ours = grpc.StatusCode.INTERNAL if error.status >= 500 else grpc.StatusCode.INVALID_ARGUMENT
    return CODES.get(error.status, ours)
