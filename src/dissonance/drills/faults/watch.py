"""What is looked at while faults happen: what waits for each consumer, and whether engines answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from dissonance.adapters.embedded.mlflow import check_mlflow
from dissonance.adapters.embedded.nats import present_streams
from dissonance.adapters.embedded.postgres import check_postgres
from dissonance.adapters.embedded.state import read_state
from dissonance.adapters.nats.state import BrokerStates
from dissonance.drills.faults.measure import LagSample
from dissonance.drills.soak.gauge import lag_of
from dissonance.errors import EngineError

EVERY_S = 1.0
ANSWER_S = 2.0
"""A broker that says nothing for so long is not seen at that moment."""


class LagWatch:
    """`samples` grow while `run` runs; `now_s` is the time they carry."""

    def __init__(self, broker: BrokerStates, now_s: Callable[[], float]) -> None:
        self.samples: list[LagSample] = []
        self._broker = broker
        self._now_s = now_s

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                async with asyncio.timeout(ANSWER_S):
                    states = await self._broker.read()
            except (EngineError, TimeoutError):
                pass  # unseen is not drained: whoever waits for lag waits for the next sample
            else:
                self.samples.append(LagSample(self._now_s(), lag_of(states)))
            await asyncio.sleep(EVERY_S)


async def engines_answer(data: Path) -> bool:
    """Whether each engine of a data folder answers now."""
    state = read_state(data)
    if state is None:
        return False
    addresses = state.addresses
    try:
        await asyncio.gather(
            check_postgres(addresses.database_url),
            present_streams(addresses.nats_url, addresses.tls),
            check_mlflow(addresses.mlflow_url, addresses.tls),
        )
    except EngineError:
        return False
    return True
