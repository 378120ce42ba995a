"""What the rules of telling.yaml find, and what they leave alone."""

import logging

from rich.console import Console

from dissonance.telemetry.logs import log
from dissonance.telemetry.names import LogAction

logger = logging.getLogger(__name__)


def tell(token, row, rows):
    # ruleid: secret-or-row-in-log
    log(logger, LogAction.TOKEN_ISSUED, token=token)
    # ruleid: secret-or-row-in-log
    log(logger, LogAction.HTTP_ANSWERED, logging.INFO, route="/", row=row)
    # ok: secret-or-row-in-log
    log(logger, LogAction.RETENTION_APPLIED, task="census", rows=len(rows))
    # ruleid: log-put-together
    logger.warning(f"refused {row}")
    # ok: log-put-together
    logger.warning("an event store in memory")
    # ruleid: console-of-its-own
    Console().print("[bold]hello[/bold]")
