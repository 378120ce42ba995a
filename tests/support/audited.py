"""A system on doubles in which all is well, with real models: rows, windows, labels and a task to audit."""

from __future__ import annotations

from typing import Any

import msgspec

from dissonance.adapters.memory.host import MemoryHost
from dissonance.adapters.memory.store import MemoryStore
from dissonance.contracts.events import Judged
from dissonance.contracts.policy import Policy
from dissonance.contracts.schema import Task
from dissonance.errors import RecordBroken, SealBroken
from dissonance.ports.breaker import Breakers
from dissonance.ports.findings import Finding
from dissonance.ports.registry import ModelRole
from dissonance.roles.auditor.handle import Auditor
from dissonance.roles.auditor.observe import Observed, Observer
from dissonance.roles.loading import RegistryLoader
from support.pairs import TASK, Shelf
from support.store import RowMaker, labels

HOUR_US = 3_600_000_000
POLICY = Policy(d_budget_per_hour=5, label_budget_per_day=5, audit_windows=2, label_famine_s=3_600)


class BreakableStore(MemoryStore):
    """Its clock may be wrong by `skew_us`, and its records unreadable."""

    skew_us = 0
    policy_broken = False
    tasks_broken = False

    async def database_time_us(self) -> int:
        return await super().database_time_us() + self.skew_us

    async def policy(self, task_id: str) -> Policy:
        if self.policy_broken:
            raise RecordBroken("the policy cannot be read", where="table policies", fix="restore it")
        return await super().policy(task_id)

    async def all(self) -> list[Task]:
        if self.tasks_broken:
            raise RecordBroken("a task cannot be read", where="table tasks", fix="restore it")
        return await super().all()


class Audited:
    """`await Audited.open()`; then break something, and `audit`."""

    def __init__(self) -> None:
        self.make = RowMaker("audited")
        self.shelf = Shelf()
        self.work = self.shelf.work
        self.clock = self.work.clock
        self.store = BreakableStore(self.clock)
        self.keys = BreakableKeys(self.work.keys)
        self.bus = self.work.bus
        self.registry = self.shelf.registry
        self.host = MemoryHost()
        self.breakers = Breakers(self.clock)
        self.task: Task = TASK

    @classmethod
    async def open(cls, policy: Policy = POLICY, task: Task = TASK) -> Audited:
        """Two closed windows of ordinary dissonance, and ten rows of which one was labelled just now."""
        here = cls()
        here.task = task
        await here.store.create(task, policy)
        pair = here.shelf.add(1)
        here.shelf.promote(pair.proposer)
        here.shelf.promote(pair.critic)
        await here.rows(10, at_us=here.clock.now_us())
        for number in range(2):
            await here.window(number, mean_dissonance=0.05)
        return here

    async def rows(self, count: int, *, at_us: int, labelled: bool = True) -> Judged:
        event = self.make.judged(TASK.task_id, count, event_times_us=[at_us] * count)
        await self.store.record([event])
        if labelled:
            joined = labels(event.prediction_ids[:1], [b"sealed"], [at_us], [True])
            await self.store.add_labels(TASK.task_id, joined)
        return event

    async def window(self, number: int, **changes: Any) -> None:
        """Closed, unless told otherwise."""
        window = self.make.window(TASK.task_id, number * HOUR_US, **{"closed": True, **changes})
        await self.store.save_window(window)

    def auditor(self) -> Auditor:
        observed = Observed(
            store=self.store,
            keys=self.keys,
            bus=self.bus,
            registry=self.registry,
            models=RegistryLoader(self.registry, self.shelf.keys),
            host=self.host,
            clock=self.clock,
            breakers=self.breakers,
        )
        return Auditor(Observer(observed), self.store, self.bus, self.clock)

    async def audit(self) -> list[Finding]:
        return await self.auditor().audit()

    def nothing_in_production(self) -> None:
        self.registry.withdrawn = True

    def damage(self, role: ModelRole | None) -> None:
        self.registry.damaged = frozenset() if role is None else frozenset({role})

    async def set_policy(self, **values: Any) -> None:
        before = await self.store.policy(TASK.task_id)
        after = msgspec.structs.replace(before, version=before.version + 1, **values)
        await self.store.set_policy(TASK.task_id, after, reason="a test", by="a test")


class BreakableKeys:
    """The keys of a workshop; `foreign` plays a key folder of another installation, `away` a database that is away."""

    def __init__(self, keys: Any) -> None:
        self._keys = keys
        self.foreign = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._keys, name)

    async def ready(self) -> None:
        if self.foreign:
            raise SealBroken("the keys are not those of the database", where="key folder", fix="restore it")
        await self._keys.ready()
