"""What is done once to an engine of ours as soon as it answers, by its owner and before parts come to it (ADR 63)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.adapters.keys.folder import KeyFolder

Prepare = Callable[[EngineAddresses, KeyFolder], Awaitable[None]]


async def nothing(addresses: EngineAddresses, keys: KeyFolder) -> None:
    """For whoever wants the engines bare."""


class Preparation(NamedTuple):
    """`databases`: of PostgreSQL, before MLflow starts. `streams`: of the broker. What they raise ends the start."""

    databases: Prepare = nothing
    streams: Prepare = nothing


BARE = Preparation()
