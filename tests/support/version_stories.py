"""A task of which several versions were in production, and what to do with them."""

from __future__ import annotations

import asyncio

from dissonance.contracts.updates import RolloutPhase
from dissonance.pipeline.promoted import Promoted
from dissonance.pipeline.retrain import retrain
from dissonance.pipeline.taking_back import rollback
from dissonance.ports.registry import Alias, ModelRole
from support.copies import made_once
from support.rollout_place import Place, new_place


@made_once
def three_versions() -> Place:
    """Version 2 has settled in production, 3 is a candidate."""
    place = new_place()
    place.begin(at_once=True)
    place.traffic(1, after_s=6_000)
    place.advance()
    asyncio.run(retrain(place.work, "small"))
    assert (place.in_production(), place.rollout().phase) == (2, RolloutPhase.SETTLED)
    return place


def taken_back(place: Place, to: int | None = None, by: str = "ann") -> Promoted:
    return asyncio.run(rollback(place.work, "small", to, by=by))


def settled() -> Place:
    return three_versions()


@made_once
def settled_third() -> Place:
    """Each of three versions was in production, the third is."""
    place = three_versions()
    place.begin("three", versions=(3, 2), at_once=True)
    place.traffic(1, 6, after_s=6_000)
    place.advance()
    assert (place.in_production(), place.rollout().phase) == (3, RolloutPhase.SETTLED)
    return place


def third() -> Place:
    return settled_third()


def watched() -> Place:
    place = three_versions()
    place.begin("three", versions=(3, 2), at_once=True)
    return place


def canary() -> Place:
    place = three_versions()
    place.begin("three", versions=(3, 2))
    return place


def critic_in_production(place: Place) -> int | None:
    """Whose it is."""
    return place.work.registry.production(place.task.task_id, ModelRole.CRITIC).parent


def marked(place: Place) -> list[Alias | None]:
    versions = place.work.registry.versions(place.task.task_id, ModelRole.PROPOSER)
    return [version.alias for version in versions if version.alias is not None]
