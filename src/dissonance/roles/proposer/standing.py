"""Which model this replica answers with, and how its models behave, for whoever asks all replicas."""

from __future__ import annotations

import asyncio

import msgspec

from dissonance.contracts.standings import NOT_LOADED, SERVING, ServingQuestion, Standing
from dissonance.errors import EngineUnavailable
from dissonance.ports.bus import Bus
from dissonance.roles.catalogue import Catalogue
from dissonance.roles.proposer.measuring import MeasuredModels

AGAIN_S = 0.5


class Standings:
    """`replica`: the name under which this process is known to people."""

    def __init__(self, catalogue: Catalogue, models: MeasuredModels, bus: Bus, replica: str) -> None:
        self._catalogue = catalogue
        self._models = models
        self._bus = bus
        self._replica = replica

    def answer(self, asked: bytes) -> bytes | None:
        """None for a question of a release that asks otherwise."""
        try:
            task_id = msgspec.msgpack.decode(asked, type=ServingQuestion).task_id
        except msgspec.MsgspecError:
            return None
        serving = self._catalogue.answering(task_id)
        return msgspec.msgpack.encode(
            Standing(
                replica=self._replica,
                task_id=task_id,
                version=NOT_LOADED if serving is None else serving.version,
                model_digest="" if serving is None else serving.proposer_digest,
                behaviour=self._models.behaviour(task_id),
            )
        )

    async def stay_asked(self) -> None:
        """For ever; while the broker is away nobody can ask."""
        while True:
            try:
                async with self._bus.answering(SERVING, self.answer):
                    await asyncio.Event().wait()
            except EngineUnavailable:
                await asyncio.sleep(AGAIN_S)
