"""What a role is to those that start it: its name, the topics it reads and writes, its routes and its work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from dissonance.contracts.events import Event
from dissonance.contracts.topics import EventKind
from dissonance.ports.breaker import Breakers
from dissonance.ports.bus import Bus, Outbox
from dissonance.ports.clock import Clock, Randomness
from dissonance.ports.host import Host
from dissonance.ports.keys import DataSubjectKeys
from dissonance.ports.registry import Registry
from dissonance.ports.store import Store
from dissonance.roles.anchoring import Anchoring
from dissonance.roles.catalogue import Catalogue
from dissonance.roles.estimates import Estimates
from dissonance.roles.serving import ModelLoader
from dissonance.roles.updates import Updates
from dissonance.telemetry.metrics import Metrics
from dissonance.web.grpc_service import GrpcService
from dissonance.web.routes import ProtectedRouter


class Workplace(NamedTuple):
    """Everything a role may touch. One per process, shared by its roles.

    `outbox` takes events also while the broker is away. `verification_key`: Ed25519 public key of this system's
    signatures. `replica`: how people know this process. `spare_keys`: see `Settings`.
    """

    store: Store
    keys: DataSubjectKeys
    bus: Bus
    outbox: Outbox
    registry: Registry
    models: ModelLoader
    catalogue: Catalogue
    updates: Updates
    estimates: Estimates
    anchoring: Anchoring
    host: Host
    clock: Clock
    randomness: Randomness
    metrics: Metrics
    breakers: Breakers
    verification_key: bytes
    replica: str = "this process"
    spare_keys: int = 10_000


Handler = Callable[[Sequence[Event]], Awaitable[list[Event]]]


LINGER_S = 0.05
"""At 100 inputs a second five share the transactions, messages and acknowledgements of one; a verdict comes so much
later at each step at most."""


class Work(NamedTuple):
    """A durable consumer: `handle` gets all that is queued of `kinds`; what it returns is published.

    `rest_s`: for work whose cost does not grow with what is queued: it gets far more of that at once, and after each
    time this many seconds go by in which more may gather. `linger_s`: the same in small, for work that every input goes
    through: what comes within this time after a batch is one batch.
    """

    consumer: str
    kinds: tuple[EventKind, ...]
    handle: Handler
    rest_s: float = 0.0
    linger_s: float = 0.0


class AtWork(NamedTuple):
    """A role that was built: its routes, its consumers, what to finish before it leaves, what it does besides, its
    service over gRPC, and what raises `EngineUnavailable` until it can work."""

    router: ProtectedRouter
    work: tuple[Work, ...] = ()
    drain: Callable[[], Awaitable[None]] | None = None
    background: Callable[[], Awaitable[None]] | None = None
    grpc: GrpcService | None = None
    ready: Callable[[], Awaitable[None]] | None = None


class Role(NamedTuple):
    """The manifest. `publishes` is what it writes besides dead letters."""

    name: str
    purpose: str
    consumes: tuple[EventKind, ...]
    publishes: tuple[EventKind, ...]
    build: Callable[[Workplace], AtWork]
