"""The pipeline as roles see it (`roles.updates.Updates`)."""

from __future__ import annotations

from dissonance.contracts.events import CandidateRegistered, Event, RetrainRequested
from dissonance.pipeline.judging import judge
from dissonance.pipeline.rollouts import Rollouts
from dissonance.pipeline.update import train
from dissonance.pipeline.workshop import Workshop


class PipelineUpdates:
    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop
        self._rollouts = Rollouts(workshop)

    async def train(self, request: RetrainRequested) -> list[Event]:
        return await train(self._workshop, request)

    async def judge(self, candidate: CandidateRegistered) -> list[Event]:
        return await judge(self._workshop, candidate)

    async def advance(self, task_id: str) -> list[Event]:
        return await self._rollouts.advance(task_id)
