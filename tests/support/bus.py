"""A real NATS server that tests may kill, and what the contract suite of the bus runs against."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import nats

from dissonance.adapters.clock import SystemClock
from dissonance.adapters.memory.broker import MemoryBroker
from dissonance.adapters.memory.bus import MemoryBus
from dissonance.adapters.nats import JetStreamBus
from dissonance.adapters.nats.streams import MAX_ACK_PENDING
from dissonance.contracts.codec import decode
from dissonance.contracts.events import WindowEvaluated
from dissonance.contracts.topics import EventKind
from dissonance.errors import EngineUnavailable
from dissonance.ports.bus import Bus, Delivery, Subscription
from dissonance.security.tls import Tls, client_context

USER, PASSWORD = "tester", "only-for-tests"
START_TIMEOUT_S = 10.0
SHORT_S = 0.4  # an ack wait that a test can sit out

WINDOWS = [EventKind.WINDOW_EVALUATED]
BOTH = [EventKind.WINDOW_EVALUATED, EventKind.LABELS_JOINED]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class NatsServer:
    """`nats-server` with JetStream on a free port; `kill` and `start` keep port and store. `users`: more of them."""

    def __init__(self, folder: Path, users: str = "") -> None:
        self.port = _free_port()
        self.store = folder / "store"
        self._config = folder / "nats.conf"
        self._config.write_text(
            f'listen: "127.0.0.1:{self.port}"\n'
            f'authorization {{ users: [\n{{ user: "{USER}", password: "{PASSWORD}" }}\n{users}\n] }}\n'
            f'jetstream {{ store_dir: "{self.store}" }}\n'
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://{USER}:{PASSWORD}@127.0.0.1:{self.port}"

    def start(self) -> None:
        program = str(Path(sys.executable).with_name("nats-server"))
        self._process = subprocess.Popen([program, "-c", str(self._config)], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                    return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    def signal(self, what: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(what)

    def lose_store(self) -> None:
        shutil.rmtree(self.store)

    async def forget_everything(self) -> None:
        client = await nats.connect(self.url)
        jetstream = client.jetstream()
        for info in await jetstream.streams_info():
            await jetstream.delete_stream(str(info.config.name))
        await client.close()


class BusKit(Protocol):
    """Makes connections to one broker; each plays a process of its own."""

    async def connect(
        self, *, ack_wait_s: float = 30.0, max_deliver: int = 3, duplicate_window_s: float = 120.0
    ) -> Bus: ...


async def connect(
    url: str,
    *,
    ack_wait_s: float = 30.0,
    max_deliver: int = 5,
    duplicate_window_s: float = 60.0,
    stream_max_age_s: float = 600.0,
    stream_max_bytes: int = 0,
    max_ack_pending: int = MAX_ACK_PENDING,
    tls: Tls | None = None,
) -> JetStreamBus:
    """A bus on the real clock; whoever asks for it closes it."""
    return await JetStreamBus.connect(
        url,
        clock=SystemClock(),
        ack_wait_s=ack_wait_s,
        max_deliver=max_deliver,
        duplicate_window_s=duplicate_window_s,
        stream_max_age_s=stream_max_age_s,
        stream_max_bytes=stream_max_bytes,
        max_ack_pending=max_ack_pending,
        tls=None if tls is None else client_context(tls),
    )


@asynccontextmanager
async def connected(url: str, **settings: Any) -> AsyncIterator[JetStreamBus]:
    """As `connect`, until the block ends."""
    bus = await connect(url, **settings)
    try:
        yield bus
    finally:
        await bus.close()


class JetStreamKit:
    def __init__(self, server: NatsServer) -> None:
        self._server = server

    async def connect(
        self, *, ack_wait_s: float = 30.0, max_deliver: int = 3, duplicate_window_s: float = 120.0
    ) -> Bus:
        return await connect(
            self._server.url,
            ack_wait_s=ack_wait_s,
            max_deliver=max_deliver,
            duplicate_window_s=duplicate_window_s,
            stream_max_age_s=3600.0,
        )


class MemoryKit:
    def __init__(self) -> None:
        self._broker: MemoryBroker | None = None

    async def connect(
        self, *, ack_wait_s: float = 30.0, max_deliver: int = 3, duplicate_window_s: float = 120.0
    ) -> Bus:
        bus = MemoryBus(
            SystemClock(),
            ack_wait_s=ack_wait_s,
            max_deliver=max_deliver,
            duplicate_window_s=duplicate_window_s,
            broker=self._broker,
        )
        self._broker = bus.broker
        return bus


def numbers(deliveries: Sequence[Delivery]) -> list[int]:
    """The numbers that events of `support.events.evaluated` were made with."""
    taken = []
    for delivery in deliveries:
        event = decode(delivery.data)
        assert isinstance(event, WindowEvaluated)
        taken.append(event.revision)
    return taken


async def collect(subscription: Subscription, count: int, *, within_s: float = 10.0) -> list[Delivery]:
    """Fetches until `count` messages came; fails by timeout when they do not."""
    taken: list[Delivery] = []
    async with asyncio.timeout(within_s):
        while len(taken) < count:
            taken += await subscription.fetch(count - len(taken), 0.2)
    return taken


async def ack_all(deliveries: Sequence[Delivery]) -> None:
    for delivery in deliveries:
        await delivery.ack()


async def until_lag(bus: Bus, consumer: str, kinds: Sequence[EventKind], lag: int, *, within_s: float = 5.0) -> None:
    """Acknowledgements travel without an answer, and a broker may be on its way back: asks until it is so."""
    async with asyncio.timeout(within_s):
        while True:
            with suppress(EngineUnavailable):
                if await bus.lag(consumer, kinds) == lag:
                    return
            await asyncio.sleep(0.01)
