"""uvicorn's connection, which answers plain requests to hot routes itself (`web.direct`), without an ASGI call.

What comes again and again on such a route is the head: the same client sends the same lines, and another body. A head
whose very bytes were read before, and admitted, is known by its SHA-256 and not read again: to parse and check it costs
about as much as the answer (ADR 35).
"""

from __future__ import annotations

import asyncio
from hashlib import sha256

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from dissonance.web.direct import Direct, Exchange

_END_OF_HEAD = b"\r\n\r\n"
_LAST = b"content-length: %d\r\nconnection: close\r\n"


class DirectProtocol(HttpToolsProtocol):
    """`_exchange` is the direct request in hand: one at a time, since those that a client sends ahead wait for their
    turn. `_exchange_cycle` is uvicorn's side of the last one; while that is not complete, the server waits for it
    before it stops, as for any other.

    `_held`: an answer that waits until the client reads what it has got. `_is_receiving`: a request began and is not
    there whole; `_begun` counts those that began in one piece of data. `idle_until_s` (loop time): when whoever sweeps
    the connections may close this one, which waits for a next request after a direct answer; a timer, set and
    cancelled with every request, would cost more than all sweeping.
    """

    _exchange: Exchange | None = None
    _exchange_cycle: RequestResponseCycle | None = None
    _held: tuple[int, bytes, bytes] | None = None
    _is_receiving = False
    _begun = 0
    idle_until_s: float | None = None
    _direct: Direct | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self._direct = getattr(self.app, "direct", None)

    def data_received(self, data: bytes) -> None:
        """A request that comes alone and whole, under a head that is known, is not read once more."""
        between = self._exchange is None and not self._is_receiving and self._direct is not None
        end = data.find(_END_OF_HEAD) + len(_END_OF_HEAD) if between else 0
        if self._direct is None or end < len(_END_OF_HEAD):
            super().data_received(data)
            return
        digest = sha256(data[:end]).digest()
        if self._take_again(self._direct, digest, data[end:]):
            return
        self._begun = 0
        super().data_received(data)
        # One message and nothing else was in it, so its head ends where we think it does.
        alone = self._begun == 1 and not self._is_receiving
        if self._exchange is not None and alone and self.cycle.keep_alive:
            self._direct.remember(digest, self._exchange)

    def _take_again(self, direct: Direct, digest: bytes, body: bytes) -> bool:
        cycle = self._exchange_cycle
        full = self.limit_concurrency is not None and len(self.connections) >= self.limit_concurrency
        if cycle is None or cycle is not self.cycle or full or self.transport.is_closing():
            return False
        exchange = direct.begin_again(digest, len(body), self.client, self._answer)
        if exchange is None:
            return False
        self._unset_keepalive_if_required()
        self.idle_until_s = None
        # What uvicorn looks at while a request is in hand is the side of the one before, made new.
        cycle.response_started = cycle.response_complete = False
        self._exchange, self._exchange_cycle = exchange, cycle
        exchange.take(body)
        return True

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.idle_until_s = None
        self._is_receiving = True
        self._begun += 1

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        direct = self._direct
        if direct is None or app is not self.app or cycle.waiting_for_100_continue:
            super()._start_asgi_task(cycle, app)
            return
        exchange = direct.begin(cycle.scope, self._answer)  # type: ignore[arg-type]  # uvicorn's type of the same dict
        if exchange is None:
            super()._start_asgi_task(cycle, app)
            return
        self._exchange, self._exchange_cycle = exchange, cycle
        if not cycle.more_body:
            exchange.take(bytes(cycle.body))

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        if self._exchange is not None and self._exchange_cycle is self.cycle:
            self.flow.resume_reading()  # it is not above the limit of bodies, and nobody takes a part of it

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._is_receiving = False
        if self._exchange is not None and self._exchange_cycle is self.cycle:
            self._exchange.take(bytes(self.cycle.body))

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._held = None
        if self._exchange is not None:
            self._exchange.leave()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._held is not None:
            held, self._held = self._held, None
            self._answer(*held)

    def _answer(self, status: int, lines: bytes, body: bytes) -> None:
        is_open = not self.transport.is_closing()
        if self.flow.write_paused and is_open:
            self._held = (status, lines, body)
            return
        cycle, self._exchange = self._exchange_cycle, None
        assert cycle is not None and self._direct is not None
        cycle.response_started = cycle.response_complete = True
        if is_open:
            length = (b"content-length: %d\r\n" if cycle.keep_alive else _LAST) % len(body)
            default = self._direct.default_lines(self.server_state.default_headers)
            self.transport.write(b"%b%b%b%b\r\n%b" % (STATUS_LINE[status], default, lines, length, body))
            if not cycle.keep_alive:
                self.transport.close()
            elif not self.pipeline and not self.flow.read_paused:
                self.server_state.total_requests += 1
                self.idle_until_s = self.loop.time() + self.timeout_keep_alive
                return
        self.on_response_complete()
