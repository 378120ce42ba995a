"""Looks at everything that there is a check for. It changes nothing; what cannot be looked at now is left out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import numpy as np

from dissonance.contracts.consumers import CONSUMERS
from dissonance.contracts.events import WHOLE_SYSTEM
from dissonance.contracts.policy import Policy
from dissonance.contracts.schema import Task
from dissonance.contracts.times import HOUR_US
from dissonance.errors import (
    EngineUnavailable,
    ModelForeign,
    ModelNotFound,
    ModelRefused,
    RecordBroken,
    SealBroken,
    UnknownTask,
)
from dissonance.ports.breaker import Breakers
from dissonance.ports.bus import Bus
from dissonance.ports.clock import Clock
from dissonance.ports.host import Host
from dissonance.ports.keys import DataSubjectKeys
from dissonance.ports.registry import ModelRole, ModelVersion, Registry
from dissonance.ports.store import Store, Window
from dissonance.roles.auditor.decide import (
    BURST_US,
    Fault,
    breakers_open,
    clock_skew,
    connections_plain,
    consumer_stale,
    critic_alias_behind,
    dead_letters,
    denied_bursts,
    disk_low,
    dissonance_budget_spent,
    dissonance_high,
    dissonance_low,
    events_spooled,
    key_folder_open,
    label_budget_spent,
    label_famine,
    production_undecided,
    schema_faults,
    streams_in_plain,
    texts_in_plain,
)
from dissonance.roles.serving import ModelLoader
from dissonance.web.health import require_answer

DAY_US = 86_400_000_000
LONG_AGO_US = -(2**62)
WINDOWS_READ = 3_000
"""The newest windows among which closed ones are looked for; more than `audit_windows` may be."""


class Sight(NamedTuple):
    """One check that was made: of a task, or of the `WHOLE_SYSTEM`; without faults all is well."""

    task_id: str
    code: str
    faults: list[Fault]


class Observed(NamedTuple):
    """What the auditor looks at; a `Workplace` and a `System` have all of it."""

    store: Store
    keys: DataSubjectKeys
    bus: Bus
    registry: Registry
    models: ModelLoader
    host: Host
    clock: Clock
    breakers: Breakers


FINISHED_WITHIN_US = 60_000_000
"""The gate looks every two seconds at what was left undone."""

Check = Callable[[], Awaitable[list[Fault]]]


class Observer:
    def __init__(self, observed: Observed) -> None:
        self._at = observed

    async def look(self) -> list[Sight]:
        """Every check that can be made now."""
        sights = await self._engines()
        for code, check in (
            ("key-folder-open", self._key_folder),
            ("streams-in-plain", self._streams),
            ("texts-in-plain", self._texts),
            ("connection-plain", self._connections),
            ("disk-low", self._disk),
            ("events-spooled", self._spooled),
            ("breaker-open", self._breakers),
            ("clock-skew", self._clocks),
            ("denied-burst", self._denied),
            ("consumer-stale", self._consumers),
            ("dead-letters", self._dead_letters),
        ):
            sights += await _made(WHOLE_SYSTEM, code, check)
        try:
            tasks = await self._at.store.all()
        except RecordBroken as broken:
            return [*sights, Sight(WHOLE_SYSTEM, "record-broken", [_broken(broken)])]
        except EngineUnavailable:
            return sights
        sights.append(Sight(WHOLE_SYSTEM, "record-broken", []))
        for task in tasks:
            sights += await self._task(task)
        return sights

    async def _engines(self) -> list[Sight]:
        at, away, foreign = self._at, list[Fault](), list[Fault]()
        for name, check in (
            ("NATS", at.bus.ready),
            ("experience database", at.store.ready),
            ("keys database", at.keys.ready),
            ("MLflow", self._registry_ready),
        ):
            try:
                await require_answer(name, check)
            except SealBroken as error:
                foreign.append(Fault("key folder", error.what, {}))
            except EngineUnavailable as error:
                away.append(Fault(name, error.what, {}))
        sights = [Sight(WHOLE_SYSTEM, "engine-unavailable", away)]
        asked_keys = all(fault.subject != "keys database" for fault in away)
        return [*sights, Sight(WHOLE_SYSTEM, "keys-do-not-match", foreign)] if asked_keys else sights

    async def _registry_ready(self) -> None:
        await asyncio.to_thread(self._at.registry.ready)

    async def _key_folder(self) -> list[Fault]:
        folder = self._at.host.key_folder()
        return _one(None if folder is None else key_folder_open(folder))

    async def _streams(self) -> list[Fault]:
        found = await asyncio.to_thread(self._at.host.plain_streams)
        return _one(None if found is None else streams_in_plain(found))

    async def _texts(self) -> list[Fault]:
        return _one(texts_in_plain(await self._at.store.texts_in_plain()))

    async def _connections(self) -> list[Fault]:
        return connections_plain(self._at.host.unprotected())

    async def _disk(self) -> list[Fault]:
        disk = self._at.host.disk()
        return _one(None if disk is None else disk_low(disk))

    async def _spooled(self) -> list[Fault]:
        spooled = self._at.host.spooled()
        return _one(None if spooled is None else events_spooled(spooled))

    async def _breakers(self) -> list[Fault]:
        return breakers_open(self._at.breakers.states())

    async def _clocks(self) -> list[Fault]:
        before_us = self._at.clock.now_us()
        database_us = await self._at.store.database_time_us()
        return _one(clock_skew(before_us, database_us, self._at.clock.now_us()))

    async def _denied(self) -> list[Fault]:
        return denied_bursts(await self._at.store.denied_since(self._at.clock.now_us() - BURST_US))

    async def _consumers(self) -> list[Fault]:
        bus, now_us = self._at.bus, self._at.clock.now_us()
        faults: list[Fault] = []
        for name, kinds in CONSUMERS.items():
            oldest_us = await bus.oldest_us(name, kinds)
            lag = 0 if oldest_us is None else await bus.lag(name, kinds)
            faults += _one(consumer_stale(name, lag, oldest_us, now_us))
        return faults

    async def _dead_letters(self) -> list[Fault]:
        return dead_letters(await self._at.bus.dead_letters())

    async def _task(self, task: Task) -> list[Sight]:
        sights = await self._models(task)
        sights.append(Sight(task.task_id, "schema-invalid", schema_faults(task)))
        try:
            policy = await self._at.store.policy(task.task_id)
        except RecordBroken as broken:
            return [*sights, Sight(task.task_id, "record-broken", [_broken(broken)])]
        except (EngineUnavailable, UnknownTask):
            return sights
        sights.append(Sight(task.task_id, "record-broken", []))
        return sights + await self._traffic(task, policy)

    async def _models(self, task: Task) -> list[Sight]:
        """Of the first three at most one can be; a model that does not verify was found, and so on. Of one that answers
        the critic's alias is looked at."""
        faults: dict[str, list[Fault]] = {"model-missing": [], "model-signed-by-another": [], "model-not-loadable": []}
        try:
            fault = await asyncio.to_thread(self._answers, task)
            faults["model-not-loadable"] += _one(fault)
            if fault is None:
                proposer = await asyncio.to_thread(self._at.registry.production, task.task_id, ModelRole.PROPOSER)
                faults["critic-alias-behind"] = _one(await asyncio.to_thread(self._critic_alias, task, proposer))
                faults["production-undecided"] = _one(await self._undecided(task, proposer))
        except EngineUnavailable:
            return []
        except ModelNotFound as error:
            faults["model-missing"].append(Fault(task.name, error.what, {}))
        except ModelForeign as error:
            faults["model-signed-by-another"].append(Fault(task.name, error.what, {}))
        except ModelRefused as error:
            faults["model-not-loadable"].append(Fault(task.name, error.what, {}))
        return [Sight(task.task_id, code, found) for code, found in faults.items()]

    def _answers(self, task: Task) -> Fault | None:
        """Read anew from the registry, it shall answer a row in which everything is missing or the first category."""
        serving = self._at.models.fresh(task)
        p = serving.proposer.probabilities(np.zeros((1, len(task.schema.features))))
        if p.shape == (1, len(task.classes)) and np.isfinite(p).all():
            return None
        return Fault(
            task.name, f"version {serving.version} answers with {p.shape[-1]} numbers", {"version": serving.version}
        )

    async def _undecided(self, task: Task, proposer: ModelVersion) -> Fault | None:
        """What was saved a moment ago may be on its way."""
        latest = await self._at.store.rollout(task.task_id)
        now_us = self._at.clock.now_us()
        untold = await self._at.store.untold_rollouts(now_us)
        late = await self._at.store.untold_rollouts(now_us - FINISHED_WITHIN_US)
        if latest is not None and latest in untold and latest not in late:
            return None
        return production_undecided(task.name, proposer, latest)

    def _critic_alias(self, task: Task, proposer: ModelVersion) -> Fault | None:
        try:
            critic = self._at.registry.production(task.task_id, ModelRole.CRITIC)
        except ModelNotFound:
            critic = None
        return critic_alias_behind(task.name, proposer, critic)

    async def _traffic(self, task: Task, policy: Policy) -> list[Sight]:
        store, name, task_id = self._at.store, task.name, task.task_id
        latest_us = await store.latest_event_time_us(task_id)
        if latest_us is None:
            return []
        now_us = min(latest_us, self._at.clock.now_us())

        async def windows() -> list[Window]:
            listed = await store.windows(task_id, WINDOWS_READ)
            return [window for window in listed if window.closed][: policy.audit_windows]

        async def high() -> list[Fault]:
            return _one(dissonance_high(name, await windows(), policy))

        async def low() -> list[Fault]:
            return _one(dissonance_low(name, await windows(), policy))

        async def budget() -> list[Fault]:
            hour = now_us // HOUR_US
            spent = (await store.budget_spent(task_id, [hour])).get(hour, 0)
            return _one(dissonance_budget_spent(name, spent, policy))

        async def asked() -> list[Fault]:
            day = now_us // DAY_US
            return _one(label_budget_spent(name, (await store.asked_on(task_id, [day])).get(day, 0), policy))

        async def famine() -> list[Fault]:
            labelled_us = (await store.label_figures(task_id)).latest_labelled_at_us
            first_us = await store.nth_event_time_us(task_id, LONG_AGO_US, 1)
            since_us = labelled_us if labelled_us is not None else first_us
            return _one(None if since_us is None else label_famine(name, since_us, now_us, policy))

        sights: list[Sight] = []
        for code, check in (
            ("dissonance-high", high),
            ("dissonance-low", low),
            ("dissonance-budget-spent", budget),
            ("label-budget-spent", asked),
            ("label-famine", famine),
        ):
            sights += await _made(task_id, code, check)
        return sights


async def _made(task_id: str, code: str, check: Check) -> list[Sight]:
    """Nothing when an engine that it needs is away, which is a finding of its own, or the task was deleted."""
    try:
        return [Sight(task_id, code, await check())]
    except (EngineUnavailable, UnknownTask):
        return []


def _one(fault: Fault | None) -> list[Fault]:
    return [] if fault is None else [fault]


def _broken(error: RecordBroken) -> Fault:
    return Fault(error.where, error.what, {})
