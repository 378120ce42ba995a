"""Stored and labelled rows in, windows out: every window they touch is computed anew from the store.

Computing from what is stored makes repeated and reordered messages harmless; late labels restate a window under
the next revision. However many messages are queued, each window is computed once.

Windows that are still open when the watermark passes their end are closed then, though no message touches them any
more. What is stored of the future moves the watermark to the present at most: one wrong event time must not close
every window.
"""

from __future__ import annotations

from collections.abc import Sequence

from dissonance.contracts.columns import derived_id
from dissonance.contracts.events import Event, Experienced, LabelsJoined, WindowEvaluated
from dissonance.contracts.policy import Policy
from dissonance.ports.clock import Clock
from dissonance.ports.store import ExperienceStore, WindowStore
from dissonance.roles.catalogue import Catalogue
from dissonance.roles.evaluator.decide import Range, evaluated, is_closed, touched, window_id

PRODUCER = "evaluator"

CLOSING = 100
"""The latest windows, among which are those that the watermark passes."""


class Evaluator:
    def __init__(self, catalogue: Catalogue, store: ExperienceStore, windows: WindowStore, clock: Clock) -> None:
        self._catalogue = catalogue
        self._store = store
        self._windows = windows
        self._clock = clock
        self._revisions: dict[str, int] = {}

    async def handle(self, events: Sequence[Event]) -> list[Event]:
        times: dict[str, set[int]] = {}
        causes: dict[str, list[str]] = {}
        for event in events:
            if isinstance(event, Experienced | LabelsJoined):
                times.setdefault(event.task_id, set()).update(event.event_times_us)
                causes.setdefault(event.task_id, []).append(event.event_id)
        return [
            window
            for task_id, event_times_us in times.items()
            for window in await self._evaluate(task_id, event_times_us, causes[task_id])
        ]

    async def _evaluate(self, task_id: str, event_times_us: set[int], causes: list[str]) -> list[Event]:
        policy = (await self._catalogue.by_id(task_id)).policy
        ranges = touched(event_times_us, policy)
        ranges += [passed for passed in await self._passed(task_id, policy) if passed not in ranges]
        published: list[Event] = []
        for window in ranges:
            revision = await self._state(task_id, window, policy)
            if revision is None:
                continue
            name = window_id(task_id, window)
            published.append(
                WindowEvaluated(
                    event_id=derived_id(name, [*causes, str(revision)]),
                    task_id=task_id,
                    produced_at_us=self._clock.now_us(),
                    producer=PRODUCER,
                    window_id=name,
                    revision=revision,
                )
            )
        return published

    async def _state(self, task_id: str, window: Range, policy: Policy) -> int | None:
        """Compute and save a window; its revision, or None when no row is in it.

        Of two replicas, the one that read first may write last: who finds that it was not alone reads again.
        """
        name = window_id(task_id, window)
        before = self._revisions.pop(name, 0)
        while True:
            latest_us = await self._latest_us(task_id)
            figures = await self._store.figures(task_id, window.start_us, window.end_us, policy.D_target)
            if not figures.rows:
                return None
            closed = is_closed(window, latest_us, policy)
            revision = await self._windows.save_window(evaluated(task_id, window, figures, closed=closed))
            if revision <= before + 1:
                break
            before = revision
        if not closed:
            self._revisions[name] = revision
        return revision

    async def _passed(self, task_id: str, policy: Policy) -> list[Range]:
        """Windows that are stated as open and are not any more."""
        latest_us = await self._latest_us(task_id)
        stated = [window for window in await self._windows.windows(task_id, CLOSING) if not window.closed]
        ranges = [Range(window.start_us, window.end_us) for window in stated]
        return [window for window in ranges if is_closed(window, latest_us, policy)]

    async def _latest_us(self, task_id: str) -> int:
        now_us = self._clock.now_us()
        latest_us = await self._store.latest_event_time_us(task_id)
        return now_us if latest_us is None else min(latest_us, now_us)
