"""New certificates while a process serves: looked for again and again, and taken without a connection being dropped."""

from __future__ import annotations

import asyncio
import logging

from dissonance.errors import DissonanceError
from dissonance.security.live_tls import LOOK_EVERY_S, LiveTls
from dissonance.telemetry.logs import log
from dissonance.telemetry.names import LogAction

_logger = logging.getLogger(__name__)


async def renew_for_ever(tls: LiveTls, every_s: float = LOOK_EVERY_S) -> None:
    """Files that cannot be used are told in the log, and looked at again: the old ones may hold for days."""
    while True:
        await asyncio.sleep(every_s)
        try:
            if tls.refresh():
                log(_logger, LogAction.CERTIFICATE_RENEWED)
        except DissonanceError as error:
            log(_logger, LogAction.CERTIFICATE_REFUSED, logging.ERROR, where=error.where, error=error.what)
