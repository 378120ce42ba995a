"""Updates on their way into production, as the store keeps them (part of `ports.store.Store`)."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2
from typing import NamedTuple, Protocol

import msgspec

from dissonance.contracts.columns import derived_id
from dissonance.contracts.events import UpdateJudged
from dissonance.contracts.updates import RolloutPhase
from dissonance.ports.decisions import Decision


class Rollout(msgspec.Struct, frozen=True, kw_only=True):
    """One way of one version into production. Times are event time, microseconds since 1970 UTC.

    `share`: of requests that the candidate answers while in `CANARY`. `overridden`: the gate had refused it. `back_to`
    and its digest: where a person ended it, what is in production in its place.
    """

    rollout_id: str  # 32 hex digits
    task_id: str
    version: int
    model_digest: str
    previous_version: int
    previous_digest: str
    phase: RolloutPhase
    share: float
    started_at_us: int
    phase_at_us: int  # when this phase began
    by: str
    reason: str
    overridden: bool = False
    revision: int = 1  # counts up with every change
    back_to: int | None = None
    back_digest: str = ""

    @property
    def put_back(self) -> tuple[int, str]:
        """The version that answers once this one was taken back, and its digest."""
        return (
            (self.previous_version, self.previous_digest) if self.back_to is None else (self.back_to, self.back_digest)
        )

    @property
    def leaves_in_production(self) -> int:
        """The version that is in production by it, once all that its phase asks for is done."""
        return self.version if self.phase in (RolloutPhase.ARMED, RolloutPhase.SETTLED) else self.put_back[0]


def told_as(rollout: Rollout) -> str:
    """The id of the event that says that a rollout went into its phase."""
    return derived_id("rollout_changed", [rollout.rollout_id, str(rollout.revision)])


def known_as(newest: Rollout | None) -> str:
    """What to say to a store of the newest rollout that was looked at; empty: there was none."""
    return "" if newest is None else told_as(newest)


def step_cause(rollout: Rollout) -> str:
    """What makes a step of a rollout the one it is: the cause of the decision on it."""
    return f"{rollout.rollout_id}-{rollout.revision}"


class WeighedCounts(msgspec.Struct, frozen=True):
    """Labelled rows of one `weight` in (0, 1]: how often only the one model was right, only its shadow, both alike."""

    weight: float
    gained: int
    lost: int
    same: int


class PairedCounts(msgspec.Struct, frozen=True):
    """Labelled rows that two models answered: how often both were right, only one, or neither. `weighed`: the same rows
    by the weights of their labels; empty where all weigh the same."""

    both_right: int
    only_model: int
    only_shadow: int
    neither: int
    weighed: tuple[WeighedCounts, ...] = ()

    @property
    def rows(self) -> int:
        return self.both_right + self.only_model + self.only_shadow + self.neither


STEPS_OF_CHANCE = 8
"""Chances of being asked about are told apart in so many steps from one to its double: 4.4 % at most from the truth."""


class PairsOfChance(NamedTuple):
    """Labelled rows whose labels were asked for with one chance, 2 to the power `step` / `STEPS_OF_CHANCE`. None:
    nobody asked for them, or nobody knows with which chance."""

    step: int | None
    both_right: int
    only_model: int
    only_shadow: int
    neither: int


def step_of_chance(propensity: float) -> int:
    """
    >>> step_of_chance(1.0), step_of_chance(0.25)
    (0, -16)
    """
    return round(STEPS_OF_CHANCE * log2(propensity))


def weighed_counts(groups: Sequence[PairsOfChance]) -> PairedCounts:
    """A label weighs the inverse of the chance that it was asked for with; the smallest chance is the unit. What nobody
    asked for weighs as what had the smallest: it is taken to have come whatever the answers were.

    >>> weighed_counts([PairsOfChance(0, 1, 2, 3, 4), PairsOfChance(-8, 1, 0, 0, 0)]).weighed[0]
    WeighedCounts(weight=0.5, gained=2, lost=3, same=5)
    """
    counted = PairedCounts(
        both_right=sum(group.both_right for group in groups),
        only_model=sum(group.only_model for group in groups),
        only_shadow=sum(group.only_shadow for group in groups),
        neither=sum(group.neither for group in groups),
    )
    steps = [group.step for group in groups if group.step is not None]
    smallest = min(steps, default=0)
    if not any(step > smallest for step in steps):
        return counted
    by_step: dict[int, list[PairsOfChance]] = {}
    for group in groups:
        by_step.setdefault(smallest if group.step is None else group.step, []).append(group)
    weighed = [
        WeighedCounts(
            weight=2.0 ** ((smallest - step) / STEPS_OF_CHANCE),
            gained=sum(each.only_model for each in alike),
            lost=sum(each.only_shadow for each in alike),
            same=sum(each.both_right + each.neither for each in alike),
        )
        for step, alike in sorted(by_step.items(), reverse=True)
    ]
    return msgspec.structs.replace(counted, weighed=tuple(weighed))


class RolloutStore(Protocol):
    async def rollout(self, task_id: str) -> Rollout | None:
        """The latest, whatever its phase."""
        ...

    async def rollouts(self, task_id: str, limit: int = 100) -> list[Rollout]:
        """The latest revision of each, newest first."""
        ...

    async def live_rollouts(self) -> list[Rollout]:
        """Of all tasks, those in a live phase."""
        ...

    async def save_rollout(self, rollout: Rollout, decision: Decision, after: str | None = None) -> bool:
        """Insert revision 1, or replace revision `rollout.revision - 1` by this one, and add `decision`, which says
        why, to the task's hash chain, all or nothing. False, and nothing written, when another replica was faster, or
        when revision 1 would begin while another rollout of the task is in a live phase, or when the newest is not
        the one that was known (`after`: `known_as` it). Until `rollouts_told` it is
        among the `untold_rollouts`. Raises `UnknownTask`."""
        ...

    async def untold_rollouts(self, saved_before_us: int) -> list[Rollout]:
        """Every revision, of all tasks, that was saved before this time of the clock and that nobody said was told;
        oldest first."""
        ...

    async def rollouts_told(self, task_id: str, event_ids: Sequence[str]) -> None:
        """The events of these ids (`told_as`) were published. What is not among the untold is passed over."""
        ...

    async def record_update(self, judged: UpdateJudged, decision: Decision) -> int:
        """Keep a judgement and add `decision`, which proves it, to the task's hash chain, all or nothing; returns the
        link. The same `event_id` is kept once and keeps its link. Raises `UnknownTask`."""
        ...

    async def updates(self, task_id: str, limit: int = 100) -> list[UpdateJudged]:
        """Newest first."""
        ...

    async def paired_counts(self, task_id: str, model_digest: str, shadow_digest: str, since_us: int) -> PairedCounts:
        """Labelled rows with event time from `since_us` on that the one answered with the other in its shadow, weighed
        by the chance of being asked at all where that was not the same for all (`weighed_counts`)."""
        ...
