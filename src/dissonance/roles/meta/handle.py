"""The meta-controller owns the policy: whoever changes it, every version is kept with its reason and told to all."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import msgspec

from dissonance.contracts.columns import derived_id
from dissonance.contracts.events import CandidateRegistered, Event, PolicyChanged
from dissonance.contracts.policy import Policy, policy_digest
from dissonance.contracts.schema import Task
from dissonance.errors import PolicyConflict, PolicyInvalid
from dissonance.ports.clock import Clock
from dissonance.ports.store import TaskStore
from dissonance.roles.meta.decide import weight
from dissonance.telemetry.logs import log
from dissonance.telemetry.names import LogAction

PRODUCER = "meta"
TRIES = 8

_logger = logging.getLogger(__name__)


class MetaController:
    def __init__(self, store: TaskStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def handle(self, events: Sequence[Event]) -> list[Event]:
        """Each candidate measured what the dissonance penalty gains: its weight follows the newest measurement."""
        newest: dict[str, CandidateRegistered] = {}
        for event in events:
            if isinstance(event, CandidateRegistered):
                known = newest.get(event.task_id)
                newest[event.task_id] = event if known is None or event.version >= known.version else known
        settled = [await self._weigh(event) for event in newest.values()]
        return [event for event in settled if event is not None]

    async def change(
        self, task: Task, following: Callable[[Policy], Policy], *, reason: str, by: str, version: int | None = None
    ) -> PolicyChanged:
        """Put what `following` makes of the policy in force into its place, and say so.

        `version`: the one that whoever asks has seen. Raises `PolicyInvalid`, and `PolicyConflict` when the policy is
        of another version by now, or keeps changing meanwhile.
        """
        why = f"it was changed {TRIES} times while this change was made"
        for _ in range(TRIES):
            before = await self._store.policy(task.task_id)
            if version is not None and before.version != version:
                why = f"version {before.version} is in force, not {version}"
                break
            after = following(before)
            try:
                await self._store.set_policy(task.task_id, after, reason=reason, by=by)
            except PolicyInvalid:
                if (await self._store.policy(task.task_id)).version == before.version:
                    raise
                continue
            log(_logger, LogAction.POLICY_CHANGED, task=task.name, version=after.version, by=by)
            return self._changed(task, after, reason, by)
        raise PolicyConflict(
            why,
            where="policy.version",
            fix="look at it and set it again: dissonance policy get TASK",
        )

    async def _weigh(self, event: CandidateRegistered) -> Event | None:
        policy = await self._store.policy(event.task_id)
        wanted = weight(event.numbers, policy)
        task = await self._store.by_id(event.task_id)
        if wanted.value == policy.lambda_in_force:
            return None

        def with_weight(before: Policy) -> Policy:
            return _with_weight(before, weight(event.numbers, before).value)

        return await self.change(task, with_weight, reason=f"version {event.version}: {wanted.reason}", by=PRODUCER)

    def _changed(self, task: Task, policy: Policy, reason: str, by: str) -> PolicyChanged:
        return PolicyChanged(
            event_id=derived_id("policy_changed", [task.task_id, str(policy.version)]),
            task_id=task.task_id,
            produced_at_us=self._clock.now_us(),
            producer=PRODUCER,
            version=policy.version,
            policy_digest=policy_digest(policy),
            reason=reason,
            by=by,
        )


def _with_weight(policy: Policy, value: float) -> Policy:
    return msgspec.structs.replace(policy, version=policy.version + 1, lambda_in_force=value)
