"""All roles on doubles in one process: a task, two plain models, HTTP, and the bus pumped by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from dissonance.adapters.memory.bus import MemoryBus
from dissonance.adapters.memory.clock import FixedClock, SeededRandomness
from dissonance.adapters.memory.host import MemoryHost
from dissonance.adapters.memory.keys import MemoryDataSubjectKeys
from dissonance.adapters.memory.registry import MemoryRegistry
from dissonance.adapters.memory.store import MemoryStore
from dissonance.contracts.codec import decode
from dissonance.contracts.events import Event
from dissonance.contracts.policy import Policy
from dissonance.contracts.schema import Feature, FeatureKind, FeatureSchema, Task
from dissonance.contracts.topics import EventKind
from dissonance.errors import DissonanceError, ModelNotFound
from dissonance.ports.breaker import Breakers
from dissonance.ports.registry import ModelRole
from dissonance.roles.catalogue import Catalogue
from dissonance.roles.listed import ROLES
from dissonance.roles.role import Work, Workplace
from dissonance.roles.serving import Matrix, ProposerModel, Serving
from dissonance.security.signatures import public_key
from dissonance.telemetry.metrics import Metrics
from dissonance.web.app import create_app
from support.access import LocalAccess
from support.anchoring import RecordedAnchoring
from support.asgi import Reply, request
from support.estimates import RecordedEstimates
from support.issuing import issuing_routers
from support.updates import RecordedUpdates

TASK = Task(
    task_id="0" * 31 + "1",
    name="toy",
    schema=FeatureSchema(
        (
            Feature("x", FeatureKind.NUMBER, minimum=0.0, maximum=1.0),
            Feature("colour", FeatureKind.CATEGORY, categories=("red", "blue"), missing_allowed=True),
        )
    ),
    classes=("no", "yes"),
    target="y",
    created_at_us=0,
    source_digest="0" * 64,
    time_column="at",
    data_subject_column="person",
)
POLICY = Policy(D_target=0.1, max_dissonance=0.4, d_budget_per_hour=2, max_rows_per_request=50)


class SayX:
    """Says `yes` with probability x (kept inside 0.01 to 0.99)."""

    def probabilities(self, features: Matrix) -> Matrix:
        yes = np.clip(features[:, 0], 0.01, 0.99)
        return np.column_stack([1.0 - yes, yes])


class BelieveLess:
    """Believes the proposer `gap` less than it believes itself; D is `gap`."""

    def __init__(self, gap: float) -> None:
        self.gap = gap

    def confidence(self, features: Matrix, p: Matrix) -> Matrix:
        return np.asarray(np.maximum(p.max(axis=1) - self.gap, 0.0))


class PlainLoader:
    """Pairs by version; `serving` is the one in production. `refusal` is what loading raises."""

    def __init__(self, gap: float, proposer: ProposerModel | None = None) -> None:
        self.pairs = {1: self.pair(1, gap, proposer)}
        self.serving = 1
        self.refusal: DissonanceError | None = None

    @staticmethod
    def pair(version: int, gap: float, proposer: ProposerModel | None = None) -> Serving:
        return Serving(version, f"{version:064x}", f"{version:063x}c", proposer or SayX(), BelieveLess(gap))

    def production(self, task: Task) -> Serving:
        if self.refusal is not None:
            raise self.refusal
        return self.pairs[self.serving]

    def fresh(self, task: Task) -> Serving:
        return self.production(task)

    def by_digest(self, task: Task, proposer_digest: str) -> Serving:
        for pair in self.pairs.values():
            if pair.proposer_digest == proposer_digest:
                return pair
        raise ModelNotFound("no such pair")


class Walk:
    """Make it inside a running loop, with `await Walk.open()`."""

    def __init__(
        self, gap: float, task: Task, proposer: ProposerModel | None, beside: Walk | None = None, seed: int = 1
    ) -> None:
        self.task = task
        self.clock = FixedClock() if beside is None else beside.clock
        self.randomness = SeededRandomness(seed)
        self.store = MemoryStore(self.clock) if beside is None else beside.store
        self.keys = MemoryDataSubjectKeys(SeededRandomness(2), clock=self.clock) if beside is None else beside.keys
        self.bus = MemoryBus(self.clock) if beside is None else beside.bus
        self.registry = MemoryRegistry(self.clock) if beside is None else beside.registry
        self.loader = PlainLoader(gap, proposer)
        self.access = LocalAccess(self.clock)
        self.metrics = Metrics()
        self.updates = RecordedUpdates()
        self.estimates = RecordedEstimates()
        self.anchoring = RecordedAnchoring()
        self.host = MemoryHost()
        self.catalogue = Catalogue(self.store, self.loader, self.bus)
        self.place = Workplace(
            store=self.store,
            keys=self.keys,
            bus=self.bus,
            outbox=self.bus,
            registry=self.registry,
            models=self.loader,
            catalogue=self.catalogue,
            updates=self.updates,
            estimates=self.estimates,
            anchoring=self.anchoring,
            host=self.host,
            clock=self.clock,
            randomness=self.randomness,
            metrics=self.metrics,
            breakers=Breakers(self.clock),
            verification_key=public_key(bytes(32)),
            spare_keys=20,
        )
        self.at_work = {name: role.build(self.place) for name, role in ROLES.items()}
        issuing = issuing_routers(self.store, self.clock, self.randomness)
        self.app = create_app(
            [*(built.router for built in self.at_work.values()), *issuing],
            verifier=self.access.verifier,
            clock=self.clock,
            randomness=self.randomness,
            metrics=self.metrics,
            health={},
            configuration={},
            max_body_bytes=1_000_000,
        )

    @classmethod
    async def open(
        cls, gap: float = 0.05, policy: Policy = POLICY, task: Task = TASK, proposer: ProposerModel | None = None
    ) -> Walk:
        walk = cls(gap, task, proposer)
        await walk.store.create(task, policy)
        for role in ModelRole:
            walk.registry.register(task.task_id, task.name, role, b"", "", metrics={}, parameters={}, parent=None)
            walk.registry.promote(walk.registry.version(task.task_id, role, 1))
        return walk

    @classmethod
    def beside(cls, other: Walk) -> Walk:
        """Replicas of all roles, on the engines of the other."""
        return cls(0.05, other.task, None, other, seed=3)

    async def post(self, route: str, body: Mapping[str, Any] | bytes, key: str = "", grant: str = "admin") -> Reply:
        headers = {**self.access.header(grant), "content-type": "application/json"}
        if key:
            headers["idempotency-key"] = key
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return await request(self.app, "POST", f"/v1/tasks/{route}", headers=headers, body=data)

    async def get(self, route: str, grant: str = "admin") -> Reply:
        return await request(self.app, "GET", f"/v1/tasks/{route}", headers=self.access.header(grant))

    async def predict(self, rows: Sequence[Mapping[str, Any]], key: str = "") -> list[str]:
        """The prediction ids."""
        reply = await self.post(f"{self.task.name}/predict", {"rows": list(rows)}, key)
        assert reply.status == 200, reply.body
        return [prediction["prediction_id"] for prediction in reply.json()["predictions"]]

    async def deliver(self, consumer: str, kinds: Sequence[EventKind], *, ack: bool = True) -> list[Event]:
        """What is queued for one consumer."""
        async with self.bus.subscribe(consumer, kinds) as subscription:
            deliveries = await subscription.fetch(100, 0.0)
            for delivery in deliveries:
                if ack:
                    await delivery.ack()
            return [decode(delivery.data) for delivery in deliveries]

    async def pump(self) -> None:
        """Every consumer once, in the order of the flow: what is queued is handled and published."""
        for work in self.works():
            events = await self.deliver(work.consumer, work.kinds)
            if events:
                await self.bus.publish(await work.handle(events))

    def works(self) -> list[Work]:
        return [work for built in self.at_work.values() for work in built.work]


def row(x: float = 0.9, person: str = "p1", at: str = "2020-01-01T00:00:00Z", **more: Any) -> dict[str, Any]:
    return {"x": x, "colour": "red", "person": person, "at": at, **more}
