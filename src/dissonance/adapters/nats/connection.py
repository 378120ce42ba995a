"""One NATS client that reconnects for ever and says when the connection was lost."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import stamina
from nats.aio.client import Client

from dissonance.adapters.nats.credentials import Credentials
from dissonance.adapters.nats.failures import translated, unavailable
from dissonance.adapters.nats.securing import secured
from dissonance.errors import EngineError, EngineUnavailable
from dissonance.telemetry.logs import log
from dissonance.telemetry.names import LogAction

logger = logging.getLogger(__name__)

RECONNECT_WAIT_S = 0.25  # between two attempts to reach a broker that is away
RECONNECT_LONGEST_S = 1.0  # between two attempts at the start, which grow apart
PING_INTERVAL_S = 10  # a broker that is silent for three of these is given up
FLUSH_TIMEOUT_S = 5.0
DRAIN_TIMEOUT_S = 10
CLOSE_TIMEOUT_S = 2.0
UNKNOWN_TO_BROKER = "Authorization Violation"
NOT_ALLOWED = "permissions violation"
FOREIGN = "CERTIFICATE_VERIFY_FAILED"
FOREIGN_FIX = "name the authority that the broker is of: DISSONANCE_TLS_CA, or the key folder it was started with"
OUTBOUND_BYTES = 8_388_608  # written by us and not yet taken by the socket


def _may_pass(error: Exception) -> bool:
    return isinstance(error, EngineUnavailable) and not any(word in error.what for word in (UNKNOWN_TO_BROKER, FOREIGN))


class Connection:
    """`client` is for the rooms of this adapter only. `url` may hold `user:password`; it is never logged."""

    def __init__(self) -> None:
        self.client = Client()
        self._lost: set[Callable[[], None]] = set()
        self._closing = False
        self._last_error: Exception | None = None

    @classmethod
    async def open(
        cls, url: str, timeout_s: float, credentials: Credentials | None = None, tls: ssl.SSLContext | None = None
    ) -> Connection:
        """`credentials`: in place of a user and password in `url`. `tls`: of the connection, and of those that follow
        when it is lost; needed for `tls://`.

        Raises `EngineUnavailable` when the broker is not reachable for about `timeout_s`, or at once when it says that
        it does not know us. (It hangs up so fast then that its word may be lost, and only a reset be seen.)
        """
        async for attempt in stamina.retry_context(
            on=_may_pass,
            attempts=None,
            timeout=timeout_s,
            wait_initial=RECONNECT_WAIT_S,
            wait_max=RECONNECT_LONGEST_S,
            wait_jitter=RECONNECT_WAIT_S,
        ):
            with attempt:
                return await cls._opened(url, credentials, tls)
        raise AssertionError("an attempt returns or raises")

    @classmethod
    async def _opened(cls, url: str, credentials: Credentials | None, tls: ssl.SSLContext | None) -> Connection:
        """One attempt."""
        self = cls()
        try:
            with translated("cannot connect"):
                who = {} if credentials is None else credentials.options()
                await self._connect(url, who | secured(url, tls))
            return self
        except EngineUnavailable as error:
            await self.close()
            what = f"cannot connect: {self._why() or error.what}"
            raise (unavailable(what, FOREIGN_FIX) if FOREIGN in what else unavailable(what)) from error
        except BaseException:
            await self.close()
            raise

    def _why(self) -> str:
        """The last error of the client; one without a word by its name."""
        return "" if self._last_error is None else str(self._last_error) or type(self._last_error).__name__

    async def _connect(self, url: str, options: Mapping[str, Any]) -> None:
        """One attempt, which ends by itself. Left to try for ever, as later for a lost connection, the client can
        swallow the cancellation that a timeout around it is, and go on."""
        await self.client.connect(
            url,
            name="dissonance",
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnect,
            reconnected_cb=self._on_reconnect,
            closed_cb=self._on_closed,
            allow_reconnect=False,
            max_reconnect_attempts=1,
            reconnect_time_wait=RECONNECT_WAIT_S,  # type: ignore[arg-type]  # it is slept for: fractions work
            ping_interval=PING_INTERVAL_S,
            pending_size=OUTBOUND_BYTES,
            flush_timeout=FLUSH_TIMEOUT_S,
            drain_timeout=DRAIN_TIMEOUT_S,
            **options,
        )
        self.client.options.update(allow_reconnect=True, max_reconnect_attempts=-1)

    def require(self) -> None:
        """Raises `EngineUnavailable` unless connected now."""
        if self._closing or self.client.is_closed:
            raise unavailable("the connection is closed")
        if not self.client.is_connected:
            raise unavailable(f"not connected ({self._why() or 'reconnecting'})")

    def on_lost(self, listener: Callable[[], None]) -> None:
        """`listener` is called at every loss of the connection, also at its end."""
        self._lost.add(listener)

    def forget(self, listener: Callable[[], None]) -> None:
        self._lost.discard(listener)

    async def close(self) -> None:
        """Flush what is written, wait for what is in hand, disconnect. Safe to call twice, and while the broker is
        away: then there is nobody to drain to, and what was in hand comes back to another replica by itself."""
        if self.client.is_connected and not self._closing:
            self._closing = True
            try:
                with translated("cannot drain"):
                    await self.client.drain()
            except EngineError as error:
                log(logger, LogAction.ENGINE_UNREACHABLE, logging.WARNING, engine="nats", error=error.slug)
        self._closing = True
        # Nobody is at the other end any more; after a handshake that failed the client would wait for ever for its end.
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self.client.close()

    async def _on_error(self, error: Exception) -> None:
        self._last_error = error
        if NOT_ALLOWED in str(error).lower():
            log(logger, LogAction.ENGINE_REFUSED, logging.ERROR, engine="nats", error=str(error))

    async def _on_disconnect(self) -> None:
        for listener in list(self._lost):
            listener()
        if not self._closing:
            log(logger, LogAction.ENGINE_UNREACHABLE, logging.WARNING, engine="nats")

    async def _on_reconnect(self) -> None:
        self._last_error = None
        log(logger, LogAction.ENGINE_REACHED, engine="nats")

    async def _on_closed(self) -> None:
        if not self._closing:
            log(logger, LogAction.ENGINE_DIED, logging.ERROR, engine="nats", error=str(self._last_error))
