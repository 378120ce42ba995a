"""After windows are stated: is harm estimated, is an update due? Said once each, as events."""

from __future__ import annotations

import asyncio
import logging
from typing import NamedTuple

from dissonance.contracts.columns import derived_id
from dissonance.contracts.events import Event, HarmEstimated, RetrainRequested
from dissonance.contracts.policy import Policy
from dissonance.contracts.updates import LIVE_PHASES
from dissonance.errors import ModelNotFound
from dissonance.ports.clock import Clock
from dissonance.ports.registry import ModelRole, Registry
from dissonance.ports.store import Store
from dissonance.roles.evaluator.due import Judged, Known, judged, update_due
from dissonance.telemetry.logs import log
from dissonance.telemetry.names import LogAction

PRODUCER = "evaluator"
LOOKED_AT = 200
"""The newest windows that a decision rests on."""

SAID_KEPT = 1_000
REGISTRY_EVERY_US = 5_000_000
LONG_AGO_US = -(2**62)

_logger = logging.getLogger(__name__)


class _Models(NamedTuple):
    """What the registry says: when it was read, and see `due.Known`."""

    read_at_us: int
    newest_version: int
    model_digest: str | None
    learnt_labels: int


class Noticing:
    def __init__(self, store: Store, registry: Registry, clock: Clock) -> None:
        self._store = store
        self._registry = registry
        self._clock = clock
        self._models: dict[str, _Models] = {}
        self._said: dict[str, None] = {}

    async def look(self, task_id: str, policy: Policy, now_us: int) -> list[Event]:
        """What is to be said now, given the windows that are stored. `now_us`: event time. Raises
        `EngineUnavailable`."""
        windows = (await self._store.windows(task_id, LOOKED_AT))[::-1]
        models = await self._read(task_id)
        said: list[Event] = [
            self._harm(task_id, each)
            for each in judged(windows, models.model_digest, policy)
            if each.alarms and self._is_new(f"harm {each.window.window_id}")
        ]
        rollout = await self._store.rollout(task_id)
        if rollout is not None and rollout.phase in LIVE_PHASES:
            return said
        labels = await self._store.label_figures(task_id)
        began_us = rollout.started_at_us if rollout is not None else await self._first_us(task_id, now_us)
        fresh = max(0, labels.learnable - models.learnt_labels)
        due = update_due(windows, Known(models.model_digest, fresh, rollout, began_us, now_us), policy)
        if due is None:
            return said
        # As many labels again must come before the same candidate is asked for once more.
        step = str(fresh // policy.retrain_labels_min)
        event_id = derived_id("retrain_requested", [task_id, str(models.newest_version), due.cause, step])
        if not self._is_new(event_id):
            return said
        log(_logger, LogAction.RETRAIN_REQUESTED, task_id=task_id, cause=due.cause.value, fresh_labels=fresh)
        said.append(
            RetrainRequested(
                event_id=event_id,
                task_id=task_id,
                produced_at_us=self._clock.now_us(),
                producer=PRODUCER,
                reason=due.reason,
                requested_by=PRODUCER,
                cause=due.cause,
            )
        )
        return said

    def _harm(self, task_id: str, alarm: Judged) -> HarmEstimated:
        window, estimate = alarm.window, alarm.estimate
        log(_logger, LogAction.HARM_ESTIMATED, logging.WARNING, task_id=task_id, window=window.window_id)
        return HarmEstimated(
            event_id=derived_id("harm_estimated", [window.window_id]),
            task_id=task_id,
            produced_at_us=self._clock.now_us(),
            producer=PRODUCER,
            window_id=window.window_id,
            reference_accuracy=estimate.reference_accuracy,
            estimated_accuracy=estimate.accuracy or 0.0,
            harm_margin=estimate.harm_margin,
            low=estimate.low,
            high=estimate.high,
            bound=estimate.bound,
            p_value=alarm.p_value,
            evidence=alarm.evidence,
            threshold=alarm.threshold,
            features={each.feature: each.carried for each in estimate.features},
            slices={f"{each.feature} = {each.value}": each.carried for each in estimate.slices},
        )

    def _is_new(self, what: str) -> bool:
        """Whether this process did not say it yet; for repeats soon after a restart the broker's window helps."""
        if what in self._said:
            return False
        self._said[what] = None
        while len(self._said) > SAID_KEPT:
            self._said.pop(next(iter(self._said)))
        return True

    async def _first_us(self, task_id: str, now_us: int) -> int:
        first_us = await self._store.nth_event_time_us(task_id, LONG_AGO_US, 1)
        return now_us if first_us is None else first_us

    async def _read(self, task_id: str) -> _Models:
        known, now_us = self._models.get(task_id), self._clock.now_us()
        if known is None or not 0 <= now_us - known.read_at_us < REGISTRY_EVERY_US:
            known = self._models[task_id] = await asyncio.to_thread(self._ask_registry, task_id, now_us)
        return known

    def _ask_registry(self, task_id: str, now_us: int) -> _Models:
        versions = self._registry.versions(task_id, ModelRole.PROPOSER)
        try:
            model_digest = self._registry.production(task_id, ModelRole.PROPOSER).digest
        except ModelNotFound:
            model_digest = None
        return _Models(
            read_at_us=now_us,
            newest_version=max((version.version for version in versions), default=0),
            model_digest=model_digest,
            learnt_labels=int(max((version.metrics.get("experience_rows", 0.0) for version in versions), default=0.0)),
        )
