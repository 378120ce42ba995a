"""What the evaluator asks of the pipeline: how accurate the model is that answered a window, before labels come.

Roles and pipeline do not know each other (design section 3): `bootstrap` gives the real one.
"""

from __future__ import annotations

from typing import Protocol

from dissonance.contracts.estimates import WindowEstimate
from dissonance.contracts.policy import Policy
from dissonance.contracts.schema import Task
from dissonance.ports.store import Window


class Estimates(Protocol):
    async def of(self, task: Task, policy: Policy, window: Window) -> WindowEstimate | None:
        """About a second of work, done in a thread. None where window or reference has too few rows that can be
        opened. Raises `ModelError` when the model cannot be had, and `EngineUnavailable`, to be tried again."""
        ...
