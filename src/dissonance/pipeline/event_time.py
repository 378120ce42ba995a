"""How far event time has come for a task: what windows, rollouts and schedules go by."""

from __future__ import annotations

from dissonance.pipeline.workshop import Workshop


async def event_time_now_us(workshop: Workshop, task_id: str) -> int:
    """The latest event time that is stored, but never later than the clock."""
    now_us = workshop.clock.now_us()
    latest_us = await workshop.store.latest_event_time_us(task_id)
    return now_us if latest_us is None else min(latest_us, now_us)
