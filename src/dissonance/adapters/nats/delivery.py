"""One message in hand, and the address that answers about it go to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from nats.aio.msg import Msg

from dissonance.adapters.nats.failures import refused, translated
from dissonance.contracts.topics import EventKind

_TOKENS = 9
"""`$JS.ACK.<stream>.<consumer>.<delivered>.<sequence>.<consumer sequence>.<time>.<pending>`; with a domain,
account and trailing random token there are more, of which two stand before the stream (NATS ADR-15)."""


class Origin(NamedTuple):
    """Where a message stands: what JetStream says in the reply topic of a delivery."""

    stream: str
    consumer: str
    attempt: int  # 1 at the first delivery
    sequence: int
    stored_at_ns: int

    @property
    def identity(self) -> str:
        """The same for every delivery of one message to one consumer, also in a stream that was made anew."""
        return f"{self.consumer}.{self.stream}.{self.sequence}.{self.stored_at_ns}"


def origin(reply: str) -> Origin:
    """
    >>> origin("$JS.ACK.DISSONANCE_JUDGED.learner-judged.2.17.18.1700000000000000000.4").attempt
    2
    """
    tokens = reply.split(".")
    shift = 2 if len(tokens) == _TOKENS else 4
    try:
        stream, consumer, attempt, sequence, _, stored_at_ns = tokens[shift : shift + 6]
        return Origin(stream, consumer, int(attempt), int(sequence), int(stored_at_ns))
    except ValueError as error:
        raise refused("a message came that JetStream did not send") from error


class JetStreamDelivery:
    """See `ports.bus.Delivery`. Only the first of `ack`, `retry` and `dead_letter` counts."""

    def __init__(
        self, message: Msg, kind: EventKind, bury: Callable[[JetStreamDelivery, str], Awaitable[None]]
    ) -> None:
        self._message = message
        self._bury = bury
        self._answered = False
        self.kind = kind
        self.origin = origin(message.reply)

    @property
    def data(self) -> bytes:
        return self._message.data

    @property
    def topic(self) -> str:
        return self._message.subject

    @property
    def attempt(self) -> int:
        return self.origin.attempt

    async def ack(self) -> None:
        """Written at once, sent with what else is written; one that is lost makes the message come back."""
        if not self._answered:
            with translated("cannot acknowledge"):
                await self._message.ack()
            self._answered = True

    async def retry(self, delay_s: float) -> None:
        if not self._answered:
            with translated("cannot hand back"):
                await self._message.nak(delay=delay_s)
            self._answered = True

    async def keep(self) -> None:
        if not self._answered:
            with translated("cannot keep"):
                await self._message.in_progress()

    async def dead_letter(self, reason: str) -> None:
        """First the dead letter is durable, then the message ends: a crash between leaves both, never neither."""
        if not self._answered:
            await self._bury(self, reason)
            with translated("cannot end"):
                await self._message.term()
            self._answered = True
