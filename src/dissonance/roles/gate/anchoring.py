"""Chains grow by verdicts on rows as well: the gate has them anchored now and then. Decisions are anchored at once."""

from __future__ import annotations

import asyncio
import logging

from dissonance.errors import DissonanceError
from dissonance.roles.anchoring import Anchoring
from dissonance.telemetry.logs import log
from dissonance.telemetry.names import LogAction

EVERY_S = 60.0
"""The verdicts of so many seconds could be cut off a chain without an anchor to tell of it."""

_logger = logging.getLogger(__name__)


async def keep_anchored(anchoring: Anchoring, every_s: float = EVERY_S) -> None:
    """For ever; what cannot be anchored now is anchored the next time."""
    while True:
        await asyncio.sleep(every_s)
        try:
            await anchoring.anchor_all()
        except DissonanceError as error:
            log(_logger, LogAction.ANCHOR_FAILED, logging.WARNING, why=str(error))
