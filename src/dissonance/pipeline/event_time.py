"""How far event time has come for a task: what windows, rollouts and schedules go by."""

from __future__ import annotations

from dissonance.contracts.updates import RolloutPhase
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.rollouts import Rollout

SECOND_US = 1_000_000


async def event_time_now_us(workshop: Workshop, task_id: str) -> int:
    """The latest event time that is stored, but never later than the clock."""
    now_us = workshop.clock.now_us()
    latest_us = await workshop.store.latest_event_time_us(task_id)
    return now_us if latest_us is None else min(latest_us, now_us)


def cools_off(rollout: Rollout | None, now_us: int, cooling_off_s: int) -> bool:
    """Whether the last rollout was taken back less than `cooling_off_s` of event time ago."""
    if rollout is None or rollout.phase is not RolloutPhase.ROLLED_BACK:
        return False
    return now_us < rollout.phase_at_us + cooling_off_s * SECOND_US
