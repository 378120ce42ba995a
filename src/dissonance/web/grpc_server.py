"""Serve gRPC inside a running event loop, beside HTTP: the same tokens, permissions, limits and errors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from urllib.parse import unquote

import grpc
from google.protobuf.message import DecodeError

from dissonance.errors import ConfigurationError, DissonanceError, MalformedBody, Unauthenticated
from dissonance.ports.clock import Clock
from dissonance.security.identity import Identity
from dissonance.security.live_tls import LiveTls
from dissonance.security.permissions import Permission
from dissonance.telemetry.logs import log, log_exception
from dissonance.telemetry.metrics import Metrics
from dissonance.telemetry.names import LogAction
from dissonance.web.access_trail import DENIED, UNKNOWN, AccessTrail, Seen
from dissonance.web.admission import require, token_of, verified
from dissonance.web.grpc_credentials import credentials_of
from dissonance.web.grpc_service import Call, GrpcService, Method
from dissonance.web.health import Health
from dissonance.web.lockout import Lockout
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
        lockout: Lockout,
        trail: AccessTrail,
        health: Health,
        clock: Clock,
        metrics: Metrics,
        max_message_bytes: int,
        tls: LiveTls | None = None,
    ) -> None:
        self._services = services
        self._verifier = verifier
        self._lockout = lockout
        self._trail = trail
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
        server.add_generic_rpc_handlers([*map(self._handlers, self._services), self._unknown()])
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

    def _unknown(self) -> grpc.GenericRpcHandler:
        """For methods that there are not: without a token nobody learns which those are."""

        async def refuse(body: bytes, context: grpc.aio.ServicerContext) -> bytes:
            caller = _Caller(address_of(context.peer()))
            try:
                await self._admit(caller, None, _metadata(context))
            except DissonanceError as error:
                caller.refused = error.slug
                await self._refuse(context, UNKNOWN, code_of(error), error)
            finally:
                self._note(caller, UNKNOWN, None)
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "there is no such method")
            raise AssertionError("an aborted call goes on")

        return _Everything(grpc.unary_unary_rpc_method_handler(refuse))

    def _behaviour(self, name: str, method: Method) -> Callable[..., object]:
        async def answer(body: bytes, context: grpc.aio.ServicerContext) -> bytes:
            started_us, code = self._clock.now_us(), grpc.StatusCode.CANCELLED
            caller = _Caller(address_of(context.peer()))
            try:
                await self._admit(caller, method.permission, _metadata(context))
                reply = await self._answer(method, body, context, caller.identity)
                code = grpc.StatusCode.OK
                return reply
            except DissonanceError as error:
                code, caller.refused = code_of(error), error.slug
                await self._refuse(context, name, code, error)
            except Exception as error:  # noqa: BLE001 - the edge of gRPC: every answer is a typed one
                code = grpc.StatusCode.INTERNAL
                self._metrics.unexpected_errors.labels("grpc").inc()
                log_exception(_logger, LogAction.GRPC_FAILED, error, method=name)
                await context.abort(code, DissonanceError.title, ((SLUG, DissonanceError.slug),))
            finally:
                self._note(caller, name, method.permission)
                self._metrics.grpc_requests.labels(name, code.name).inc()
                self._metrics.grpc_duration.labels(name).observe(max(0, self._clock.now_us() - started_us) / 1e6)
            raise AssertionError("an aborted call goes on")

        return answer

    async def _answer(
        self, method: Method, body: bytes, context: grpc.aio.ServicerContext, identity: Identity | None
    ) -> bytes:
        try:
            message = method.request.FromString(body)
        except DecodeError as error:
            raise MalformedBody("the message is not of its type", where="message", fix="see the .proto") from error
        key = dict(_metadata(context)).get("idempotency-key")
        reply: bytes = (await method.handle(Call(message, body, identity, key, self._health))).SerializeToString()
        return reply

    async def _admit(self, caller: _Caller, permission: Permission | None, metadata: Sequence[tuple[str, str]]) -> None:
        """`permission`: None where any right token will do."""
        if permission is Permission.PUBLIC:
            return
        given = [value.encode() for key, value in metadata if key == "authorization"]
        with suppress(Unauthenticated):  # whom it refuses is for the next line to say
            await self._verifier.prepare(token_of(given))
        caller.identity = verified(given, caller.address, self._verifier, self._lockout)
        if permission is not None:
            require(caller.identity, permission)

    def _note(self, caller: _Caller, name: str, permission: Permission | None) -> None:
        reason = caller.refused if caller.refused in DENIED else ""
        if permission is Permission.PUBLIC or (permission is None and not reason):
            return
        who = caller.identity.name if caller.identity else ""
        seen = Seen(who, caller.address, permission or "", "GRPC", name, "", reason, 0)
        self._trail.note(seen, self._clock.now_us())

    async def _refuse(
        self, context: grpc.aio.ServicerContext, name: str, code: grpc.StatusCode, error: DissonanceError
    ) -> None:
        level = logging.ERROR if error.status >= 500 else logging.INFO
        log(_logger, LogAction.GRPC_FAILED, level, method=name, slug=error.slug, where=error.where)
        if isinstance(error, Unauthenticated):
            log(_logger, LogAction.CREDENTIAL_REFUSED, method=name, reason=error.reason)
        await context.abort(code, shown(error), ((SLUG, error.slug),))


class _Caller:
    """Who calls, as far as that is known by now, and the slug of why the call was refused."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.identity: Identity | None = None
        self.refused = ""


class _Everything(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    """The handler of whatever no other takes."""

    def __init__(self, handler: grpc.RpcMethodHandler) -> None:
        self._handler = handler

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return self._handler


def _metadata(context: grpc.aio.ServicerContext) -> list[tuple[str, str]]:
    return [(key, value) for key, value in context.invocation_metadata() or () if isinstance(value, str)]


async def _stop(server: grpc.aio.Server, stop: asyncio.Event, drain_s: float) -> None:
    await stop.wait()
    await asyncio.sleep(drain_s)
    await server.stop(GRACE_S)


def address_of(peer: str) -> str:
    """
    >>> address_of("ipv4:192.0.2.7:50000"), address_of("ipv6:%5B2001:db8::7%5D:50000"), address_of("unix:")
    ('192.0.2.7', '2001:db8::7', '')
    """
    kind, _, rest = unquote(peer).partition(":")
    return rest.rpartition(":")[0].strip("[]") if kind in ("ipv4", "ipv6") else ""


def code_of(error: DissonanceError) -> grpc.StatusCode:
    """
    >>> code_of(MalformedBody("no rows")).name
    'INVALID_ARGUMENT'
    """
    ours = grpc.StatusCode.INTERNAL if error.status >= 500 else grpc.StatusCode.INVALID_ARGUMENT
    return CODES.get(error.status, ours)
