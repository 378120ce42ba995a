"""Windows that are over are estimated, once each: what needs models is the pipeline's (`roles.estimates`)."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from dissonance.contracts.events import Event, WindowEvaluated
from dissonance.errors import ModelError
from dissonance.ports.clock import Clock
from dissonance.ports.store import Store
from dissonance.roles.catalogue import Catalogue
from dissonance.roles.estimates import Estimates
from dissonance.roles.evaluator.due import LEAST_ROWS
from dissonance.roles.evaluator.handle import CLOSING, latest_us
from dissonance.roles.evaluator.noticing import Noticing
from dissonance.telemetry.logs import log
from dissonance.telemetry.names import LogAction

_logger = logging.getLogger(__name__)


class Estimating:
    """A consumer of its own, beside the one that states windows: no statement waits for an estimate."""

    def __init__(
        self, catalogue: Catalogue, store: Store, clock: Clock, estimates: Estimates, noticing: Noticing
    ) -> None:
        self._catalogue = catalogue
        self._store = store
        self._clock = clock
        self._estimates = estimates
        self._noticing = noticing

    async def handle(self, events: Sequence[Event]) -> list[Event]:
        named: dict[str, set[str]] = {}
        for event in events:
            if isinstance(event, WindowEvaluated):
                named.setdefault(event.task_id, set()).add(event.window_id)
        return [said for task_id, window_ids in named.items() for said in await self._of(task_id, window_ids)]

    async def _of(self, task_id: str, window_ids: set[str]) -> list[Event]:
        windows = [
            window
            for window in (await self._store.windows(task_id, CLOSING))[::-1]
            if window.window_id in window_ids
            and window.closed
            and window.rows >= LEAST_ROWS
            and window.estimate is None
        ]
        if not windows:
            return []
        context = await self._catalogue.by_id(task_id)
        try:
            for window in windows:
                estimate = await self._estimates.of(context.task, context.policy, window)
                if estimate is not None:
                    await self._store.save_estimate(task_id, window.window_id, estimate)
        except ModelError as error:
            log(_logger, LogAction.MODEL_REFUSED, logging.ERROR, task=context.task.name, why=str(error))
        return await self._noticing.look(task_id, context.policy, await latest_us(self._store, self._clock, task_id))
