"""Stored and labelled rows in, windows out: every window they touch is computed anew from the store.

Computing from what is stored makes repeated and reordered messages harmless; late labels restate a window under
the next revision. However many messages are queued, each window is computed once.

Windows that are still open when the watermark passes their end are closed then, though no message touches them any
more. What is stored of the future moves the watermark to the present at most: one wrong event time must not close
every window.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from dissonance.contracts.columns import derived_id
from dissonance.contracts.events import Event, Experienced, LabelsJoined, WindowEvaluated
from dissonance.contracts.policy import Policy, WindowBy
from dissonance.contracts.times import EARLIEST_US
from dissonance.ports.clock import Clock
from dissonance.ports.store import ExperienceStore, Store, Window
from dissonance.roles.catalogue import Catalogue, TaskContext
from dissonance.roles.evaluator.decide import (
    SECOND_US,
    Range,
    evaluated,
    is_closed,
    row_window_id,
    touched,
    window_id,
)
from dissonance.roles.evaluator.noticing import Noticing
from dissonance.roles.evaluator.slicing import Slicing

PRODUCER = "evaluator"

CLOSING = 200
"""The latest windows, among which are those that the watermark passes."""


class _Stated(NamedTuple):
    """A window to state: its id, its range, and whether it is over."""

    name: str
    range: Range
    closed: bool


class Evaluator:
    def __init__(self, catalogue: Catalogue, store: Store, clock: Clock, slicing: Slicing, noticing: Noticing) -> None:
        self._catalogue = catalogue
        self._store = store
        self._clock = clock
        self._slicing = slicing
        self._noticing = noticing
        self._revisions: dict[str, int] = {}

    async def handle(self, events: Sequence[Event]) -> list[Event]:
        times: dict[str, set[int]] = {}
        causes: dict[str, list[str]] = {}
        for event in events:
            if isinstance(event, Experienced | LabelsJoined):
                times.setdefault(event.task_id, set()).update(event.event_times_us)
                causes.setdefault(event.task_id, []).append(event.event_id)
        return [
            said
            for task_id, event_times_us in times.items()
            for said in await self._evaluate(task_id, event_times_us, causes[task_id])
        ]

    async def _evaluate(self, task_id: str, event_times_us: set[int], causes: list[str]) -> list[Event]:
        context = await self._catalogue.by_id(task_id)
        known = {window.window_id: window for window in await self._store.windows(task_id, CLOSING)}
        newest_us = await latest_us(self._store, self._clock, task_id)
        if context.policy.window_by is WindowBy.ROWS:
            stated = await self._by_rows(task_id, context.policy, event_times_us, known.values(), newest_us)
        else:
            stated = self._by_time(task_id, context.policy, event_times_us, known.values(), newest_us)
        said: list[Event] = []
        for window in stated:
            revision = await self._state(context, window, known.get(window.name))
            if revision is not None:
                said.append(self._evaluated(task_id, window.name, revision, causes))
        return said + await self._noticing.look(task_id, context.policy, newest_us)

    def _by_time(
        self, task_id: str, policy: Policy, times_us: set[int], known: Iterable[Window], newest_us: int
    ) -> list[_Stated]:
        ranges = touched(times_us, policy)
        for window in known:
            passed = Range(window.start_us, window.end_us)
            of_time = window.window_id == window_id(task_id, passed)
            if of_time and not window.closed and is_closed(passed, newest_us, policy) and passed not in ranges:
                ranges.append(passed)
        return [_Stated(window_id(task_id, each), each, is_closed(each, newest_us, policy)) for each in ranges]

    async def _by_rows(
        self, task_id: str, policy: Policy, times_us: set[int], known: Iterable[Window], newest_us: int
    ) -> list[_Stated]:
        """Windows that are over keep their bounds: the rows between two bounds are the window's, late ones too."""
        over = sorted(
            (each.start_us, each.end_us)
            for each in known
            if each.closed and each.window_id == row_window_id(task_id, each.start_us)
        )
        stated = [
            _Stated(row_window_id(task_id, start_us), Range(start_us, end_us), closed=True)
            for start_us, end_us in over
            if any(start_us <= time_us < end_us for time_us in times_us)
        ]
        start_us = over[-1][1] if over else EARLIEST_US
        while True:
            last_us = await self._store.nth_event_time_us(task_id, start_us, policy.window_rows)
            end_us = newest_us + 1 if last_us is None else last_us + 1
            closed = last_us is not None and newest_us - policy.window_watermark_s * SECOND_US >= end_us
            if end_us > start_us:
                stated.append(_Stated(row_window_id(task_id, start_us), Range(start_us, end_us), closed))
            if not closed:
                return stated
            start_us = end_us

    async def _state(self, context: TaskContext, window: _Stated, before: Window | None) -> int | None:
        """Compute and save a window; its revision, or None when no row is in it.

        Of two replicas, the one that read first may write last: who finds that it was not alone reads again.
        """
        task_id, policy = context.task.task_id, context.policy
        seen = self._revisions.pop(window.name, before.revision if before is not None else 0)
        closed = window.closed or (before is not None and before.closed)
        while True:
            figures = await self._store.figures(task_id, *window.range, policy.D_target)
            if not figures.rows:
                return None
            stated = evaluated(task_id, window.name, window.range, figures, closed=closed)
            slices = await self._slicing.of(context, stated, before) if closed else ()
            revision = await self._store.save_window(msgspec.structs.replace(stated, slices=slices))
            if revision <= seen + 1:
                break
            seen = revision
        if not closed:
            self._revisions[window.name] = revision
        return revision

    def _evaluated(self, task_id: str, name: str, revision: int, causes: list[str]) -> WindowEvaluated:
        return WindowEvaluated(
            event_id=derived_id(name, [*causes, str(revision)]),
            task_id=task_id,
            produced_at_us=self._clock.now_us(),
            producer=PRODUCER,
            window_id=name,
            revision=revision,
        )


async def latest_us(store: ExperienceStore, clock: Clock, task_id: str) -> int:
    """The newest event time that is stored, never later than now; now while nothing is stored."""
    now_us = clock.now_us()
    stored_us = await store.latest_event_time_us(task_id)
    return now_us if stored_us is None else min(stored_us, now_us)
