"""What roles ask of the pipeline: train an update, judge it, take the next step of a rollout.

Roles and pipeline do not know each other (design section 3): `bootstrap` gives the real one.
"""

from __future__ import annotations

from typing import Protocol

from dissonance.contracts.events import CandidateRegistered, Event, RetrainRequested


class Updates(Protocol):
    """Each returns the events to publish; the same cause gives the same event ids. May take minutes: heavy work is done
    in a thread. Raise `EngineUnavailable`, to be tried again, or another `DissonanceError`."""

    async def train(self, request: RetrainRequested) -> list[Event]:
        """Fit, merge and register a candidate: `CandidateRegistered`. Nothing when another update of the task is under
        way, when it cools off after a rollback, or when there is nothing to learn; the reason is logged."""
        ...

    async def judge(self, candidate: CandidateRegistered) -> list[Event]:
        """`UpdateJudged`; and if it is accepted the beginning of its rollout: `RolloutChanged`, with `ModelPromoted`
        where the policy wants no canary."""
        ...

    async def advance(self, task_id: str) -> list[Event]:
        """Look at the live rollout in the light of what is stored now: extend it (no event), promote, abandon, settle
        or roll back."""
        ...
