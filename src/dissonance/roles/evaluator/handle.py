"""Stored and labelled rows in, windows out: every window they touch is computed anew from the store.

Computing from what is stored makes repeated and reordered messages harmless; late labels restate a window under
the next revision. However many messages are queued, each window is computed once.
"""

from __future__ import annotations

from collections.abc import Sequence

from dissonance.contracts.columns import derived_id
from dissonance.contracts.events import Event, Experienced, LabelsJoined, WindowEvaluated
from dissonance.ports.clock import Clock
from dissonance.ports.store import ExperienceStore, WindowStore
from dissonance.roles.catalogue import Catalogue
from dissonance.roles.evaluator.decide import evaluated, is_closed, touched

PRODUCER = "evaluator"


class Evaluator:
    def __init__(self, catalogue: Catalogue, store: ExperienceStore, windows: WindowStore, clock: Clock) -> None:
        self._catalogue = catalogue
        self._store = store
        self._windows = windows
        self._clock = clock

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
        latest = await self._store.latest_event_time_us(task_id)
        published: list[Event] = []
        for window in touched(event_times_us, policy):
            figures = await self._store.figures(task_id, window.start_us, window.end_us, policy.D_target)
            if not figures.rows or latest is None:
                continue
            closed = is_closed(window, latest, policy)
            statement = evaluated(task_id, window, figures, closed=closed)
            revision = await self._windows.save_window(statement)
            published.append(
                WindowEvaluated(
                    event_id=derived_id(statement.window_id, [*causes, str(revision)]),
                    task_id=task_id,
                    produced_at_us=self._clock.now_us(),
                    producer=PRODUCER,
                    window_id=statement.window_id,
                    revision=revision,
                )
            )
        return published
