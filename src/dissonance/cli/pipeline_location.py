"""The pipeline as a code location of Dagster: `dagster-webserver -m dissonance.cli.pipeline_location`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TypeVar

from dissonance.adapters.s3.files import S3Address
from dissonance.bootstrap import System, open_system
from dissonance.bootstrap_hands import StepHands, definitions
from dissonance.settings import read_s3_settings, read_settings

T = TypeVar("T")

settings = read_settings(os.environ)
s3 = read_s3_settings(os.environ)


def on_system(use: Callable[[System], Awaitable[T]]) -> T:
    """Connect, do, disconnect: a step may run in a process of its own."""

    async def used() -> T:
        async with open_system(settings) as system:
            return await use(system)

    return asyncio.run(used())


pipeline = definitions(StepHands(on_system, S3Address(s3.endpoint, s3.region, s3.ca_file), os.cpu_count() or 1))
