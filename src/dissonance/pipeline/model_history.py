"""What happened to each version of a task's model, and which one answered at a time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from dissonance.contracts.events import CANARY_ARM
from dissonance.contracts.evidence import ROLLOUT_STEPS, DecisionKind
from dissonance.contracts.schema import Task
from dissonance.contracts.times import HOUR_US
from dissonance.decisions.evidence.bundle import Bundle
from dissonance.decisions.timeline import InForce, in_force, until, until_event_time
from dissonance.pipeline.verifying import MOST_DECISIONS, proven_bundle
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.decisions import ALL, Wanted
from dissonance.ports.registry import BESIDE, ELSEWHERE, MADE, TRAIN_ROWS, ModelRole, ModelVersion

REGISTERED, REPLACED, BACK = "registered", "replaced", "back in production"
JUDGED_BEFORE = "judged, before decisions were kept"
ROWS = 1_000
"""Newest answers before a time that are counted."""


class Happened(NamedTuple):
    """`event_time_us`: how far event time had come; None where nobody noted it. `decision_id`: the proof, or empty."""

    at_us: int
    event_time_us: int | None
    what: str
    by: str
    why: str
    decision_id: str


class VersionHistory(NamedTuple):
    """Oldest first."""

    version: ModelVersion
    happened: list[Happened]


class At(NamedTuple):
    """Who answered at a time: as decided by the clock, as decided by event time, and whose answers are stored of the
    hour of event time before it, by version (None: no longer in the registry) and arm; `rows` at most `ROWS`."""

    task: Task
    by_clock: InForce
    by_event_time: InForce
    rows: Counter[tuple[int | None, str]]


async def history(workshop: Workshop, name: str) -> tuple[Task, list[VersionHistory]]:
    """Every version, newest first. Raises `UnknownTask`, `SealBroken` or `EngineUnavailable`."""
    task = await workshop.store.by_name(name)
    versions = await asyncio.to_thread(workshop.registry.versions, task.task_id, ModelRole.PROPOSER)
    found = await workshop.store.decisions(task.task_id, ALL, MOST_DECISIONS)
    elsewhere = await asyncio.to_thread(_made_elsewhere, workshop, versions)
    happened: dict[int, list[Happened]] = {
        version.version: [_registered(version, elsewhere.get(version.version))] for version in versions
    }
    for kept in reversed(found):
        bundle = proven_bundle(kept, workshop.artefact_keys.verification)
        for number, what in _what(bundle):
            happened.setdefault(number, []).append(_happened(bundle, what, kept.decision.decision_id))
    known = {kept.decision.cause for kept in found}
    for update in await workshop.store.updates(task.task_id, MOST_DECISIONS):
        if update.event_id not in known:
            why = f"{JUDGED_BEFORE}: {update.verdict.value}"
            told = Happened(update.produced_at_us, None, update.verdict.value, update.by, update.reason or why, "")
            happened.setdefault(update.version, []).append(told)
    return task, [
        VersionHistory(version, sorted(happened[version.version], key=lambda each: each.at_us)) for version in versions
    ]


async def at(workshop: Workshop, name: str, time_us: int) -> At:
    """Raises `UnknownTask`, `SealBroken` or `EngineUnavailable`."""
    task = await workshop.store.by_name(name)
    bundles = await rollout_bundles(workshop, task)
    versions = await asyncio.to_thread(workshop.registry.versions, task.task_id, ModelRole.PROPOSER)
    rows = await workshop.store.between(task.task_id, time_us - HOUR_US, time_us + 1, ROWS)
    answered = Counter(
        (
            version_that_answered(versions, row.model_digest, row.processing_time_us, row.canary_arm, bundles),
            row.canary_arm,
        )
        for row in rows
    )
    return At(task, in_force(until(bundles, time_us)), in_force(until_event_time(bundles, time_us)), answered)


async def rollout_bundles(workshop: Workshop, task: Task) -> list[Bundle]:
    """What moved a version into production or out of it, in the order of the chain."""
    kept = await workshop.store.decisions(task.task_id, Wanted(ROLLOUT_STEPS), MOST_DECISIONS)
    return [proven_bundle(each, workshop.artefact_keys.verification) for each in reversed(kept)]


def version_that_answered(
    versions: Iterable[ModelVersion], digest: str, at_us: int, arm: str, bundles: Iterable[Bundle]
) -> int | None:
    """The proposer with this digest; None where the registry has none any more.

    A fit that is repeated on the same data gives the same digest, so that several versions may have it: it is the one
    that answered on this arm at that time of the clock, as decided, else the newest that was registered by then.
    """
    same = [version for version in versions if version.digest == digest]
    if len(same) > 1:
        now = in_force(until(bundles, at_us))
        serving = now.canary if arm == CANARY_ARM else now.production
        decided = [version for version in same if version.version == serving]
        earlier = [version for version in same if version.created_at_us <= at_us]
        same = decided or earlier or same
    return max((version.version for version in same), default=None)


def _made_elsewhere(workshop: Workshop, versions: Iterable[ModelVersion]) -> dict[int, str]:
    """Those that were registered from a file, and which version was in production then: it was kept as their parent
    once. What was fitted here says on how many rows, and is not asked about."""
    found = {}
    for each in versions:
        if TRAIN_ROWS not in each.metrics:
            said = workshop.registry.parameters(each.task_id, each.role, each.version)
            if said.get(MADE) == ELSEWHERE:
                found[each.version] = said.get(BESIDE, str(each.parent))
    return found


def _registered(version: ModelVersion, beside: str | None) -> Happened:
    if beside is not None:
        why = f"made elsewhere, registered from a file while version {beside} was in production"
    else:
        why = "the first version" if version.parent is None else f"trained after version {version.parent}"
    return Happened(version.created_at_us, None, REGISTERED, "pipeline", why, "")


def _what(bundle: Bundle) -> Iterable[tuple[int, str]]:
    """What a decision means for each version that it touches."""
    version = bundle.candidate.version
    yield version, bundle.kind.value
    if bundle.incumbent is not None and bundle.kind is DecisionKind.PROMOTED:
        yield bundle.incumbent.version, f"{REPLACED} by version {version}"
    if bundle.kind is DecisionKind.ROLLED_BACK:
        yield bundle.production, f"{BACK} after version {version}"


def _happened(bundle: Bundle, what: str, decision_id: str) -> Happened:
    return Happened(bundle.decided_at_us, bundle.event_time_us, what, bundle.by, bundle.reason, decision_id)
