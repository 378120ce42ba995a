"""By hand: put a pair into production through the gate, past it with a reason, or take it back."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from dissonance.contracts.events import ModelPromoted, ModelRolledBack, UpdateJudged
from dissonance.contracts.evidence import DecisionKind
from dissonance.contracts.schema import Task
from dissonance.contracts.standings import CONFIRM_LIMIT_S
from dissonance.contracts.updates import RolloutPhase
from dissonance.contracts.verdicts import UpdateVerdict
from dissonance.decisions.pairs import LoadedPair, find_version
from dissonance.errors import GateRefused, InputError, ModelNotFound
from dissonance.pipeline.aliases import move_aliases, open_pair, open_version, production_version
from dissonance.pipeline.anchoring import anchor
from dissonance.pipeline.confirming import Confirmed, confirm, roll_call, roll_call_beside
from dissonance.pipeline.event_time import event_time_now_us
from dissonance.pipeline.evidence import Said, decided, evidence_of
from dissonance.pipeline.judging import Override, judge_pair
from dissonance.pipeline.rollouts import begin, end_by_hand
from dissonance.pipeline.telling import changed, publish
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.registry import ModelRole, ModelVersion

PRODUCER = "pipeline"


NOBODY = Confirmed((), (), 0)


class Promoted(NamedTuple):
    """`previous_version` was in production before; `judged` is what the gate said, None after a rollback and for a
    version that was in production already. `phase`: `armed`, or `canary` where nothing moved yet. `replicas`: who
    answers with `version` now, and who does not."""

    task: Task
    version: int
    critic_version: int
    previous_version: int | None
    judged: UpdateJudged | None
    phase: RolloutPhase
    replicas: Confirmed = NOBODY


async def promote(
    workshop: Workshop,
    name: str,
    version: int | None = None,
    *,
    by: str,
    override: str | None = None,
    canary: bool = False,
    limit_s: float = CONFIRM_LIMIT_S,
) -> Promoted:
    """Put `version` (else the newest) and its critic into production if the gate allows it, or if `override` says why
    it goes live all the same. It is watched for `rollback_window_s`; with `canary` it answers a share of requests
    first. Returns when every replica of the proposer was seen to answer with it, after `limit_s` at the latest.

    Promoting what is in production already moves nothing and tells every replica again. Raises `InputError` for an
    override without a reason, `GateRefused`, `UnknownTask`, `ModelNotFound`, `ModelRefused` or `EngineUnavailable`;
    nothing changed then, or the same call completes it.
    """
    if override is not None and not override.strip():
        raise InputError(
            "an override without a reason",
            where="override",
            fix='say why it goes live all the same: --override "REASON"',
        )
    task = await workshop.store.by_name(name)
    found = await asyncio.to_thread(find_version, workshop.registry, task, version)
    await _refuse_taken_back(workshop, task, found, version)
    candidate = await open_pair(workshop, task, found)
    incumbent = await open_pair(workshop, task, await production_version(workshop, task))
    if candidate.version.version == incumbent.version.version:
        known = await roll_call(workshop, task)
        await move_aliases(workshop, task, candidate)
        await workshop.bus.publish(
            [_moved(workshop, task, candidate, found.version, "promoted again", by, ModelPromoted)]
        )
        replicas = await confirm(workshop, task, found.version, list(known), limit_s)
        critic = candidate.critic_version.version
        return Promoted(task, found.version, critic, found.version, None, RolloutPhase.ARMED, replicas)
    cause = _token(workshop)
    judged = await judge_pair(
        workshop,
        task,
        incumbent,
        candidate,
        cause,
        by=by,
        override=None if override is None else Override(by, override),
    )
    await workshop.bus.publish([judged])
    known = await roll_call(workshop, task)
    if judged.verdict is UpdateVerdict.REFUSED:
        raise _refused(judged)
    events = await begin(
        workshop,
        task,
        candidate.version,
        incumbent.version,
        cause=cause,
        by=by,
        reason=override or f"{judged.verdict.value} by the gate, promoted by {by}",
        overridden=judged.verdict is UpdateVerdict.OVERRIDDEN,
        at_once=not canary,
    )
    await publish(workshop, task, events)
    return Promoted(
        task,
        candidate.version.version,
        candidate.critic_version.version,
        incumbent.version.version,
        judged,
        RolloutPhase.CANARY if canary else RolloutPhase.ARMED,
        NOBODY if canary else await confirm(workshop, task, candidate.version.version, list(known), limit_s),
    )


async def rollback(
    workshop: Workshop,
    name: str,
    to: int | None = None,
    *,
    by: str,
    reason: str = "rolled back by command",
    limit_s: float = CONFIRM_LIMIT_S,
) -> Promoted:
    """Put `to`, else the version that was in production before, back with its critic; a live rollout ends. Without `to`
    a canary is what is taken back: it ends, and the version in production stays. Returns when every replica of the
    proposer was seen to answer with it, after `limit_s` at the latest.

    No gate: the way back must be short. The models are verified first. Raises as `promote` does.
    """
    task = await workshop.store.by_name(name)
    async with roll_call_beside(workshop, task) as calling:
        asked = asyncio.create_task(production_version(workshop, task))
        target = await _before(workshop, task, await asked) if to is None else to
        production, pair = await asyncio.gather(asked, open_version(workshop, task, target))
        if calling.done():
            await calling  # a broker that is away fails here, before anything is moved
        await _move_back(workshop, task, production, pair, by=by, reason=reason)
        known = list(await calling)
    return Promoted(
        task,
        pair.version.version,
        pair.critic_version.version,
        production.version,
        None,
        RolloutPhase.ROLLED_BACK,
        await confirm(workshop, task, pair.version.version, known, limit_s),
    )


async def _move_back(
    workshop: Workshop, task: Task, production: ModelVersion, pair: LoadedPair, *, by: str, reason: str
) -> None:
    ended = await end_by_hand(workshop, task, by=by, reason=reason, production=pair.version.version)
    moved_on = ended is not None and ended.phase is RolloutPhase.ROLLED_BACK
    if not moved_on and pair.version.version != production.version:
        await _record_rollback(
            workshop, task, production, pair.version, Said(DecisionKind.ROLLED_BACK, _token(workshop), by, reason)
        )
    await move_aliases(workshop, task, pair)
    await anchor(workshop, task)
    events = [] if ended is None else [changed(workshop, ended)]
    back = _moved(workshop, task, pair, production.version, reason, by, ModelRolledBack)
    await publish(workshop, task, [*events, back])


async def _record_rollback(
    workshop: Workshop, task: Task, production: ModelVersion, back: ModelVersion, said: Said
) -> None:
    """Of a version that no live rollout put there."""
    decision = await decided(
        workshop,
        task,
        said,
        candidate=evidence_of(production),
        incumbent=evidence_of(back),
        production=back.version,
        policy=await workshop.store.policy(task.task_id),
        event_time_us=await event_time_now_us(workshop, task.task_id),
    )
    await workshop.store.record_decision(decision)


def _token(workshop: Workshop) -> str:
    """32 hex digits that nobody had before."""
    return workshop.randomness.token(16).hex()


async def list_models(workshop: Workshop, name: str) -> list[ModelVersion]:
    """Proposers and critics, newest first. Raises `UnknownTask` or `EngineUnavailable`."""
    task = await workshop.store.by_name(name)
    return [
        version
        for role in ModelRole
        for version in await asyncio.to_thread(workshop.registry.versions, task.task_id, role)
    ]


async def _before(workshop: Workshop, task: Task, production: ModelVersion) -> int:
    """The version itself while a canary runs beside it; what its newest rollout replaced; else what it was trained to
    replace. Raises `ModelNotFound`."""
    latest = await workshop.store.rollout(task.task_id)
    if latest is not None and latest.phase is RolloutPhase.CANARY:
        return production.version
    rollouts = await workshop.store.rollouts(task.task_id)
    replaced = [rollout.previous_version for rollout in rollouts if rollout.version == production.version]
    target = replaced[0] if replaced else production.parent
    if target is None:
        raise ModelNotFound(
            f"version {production.version} replaced no other", where="version", fix="name one with --to"
        )
    return target


async def _refuse_taken_back(workshop: Workshop, task: Task, found: ModelVersion, named: int | None) -> None:
    """Without a version nobody means one that was taken back."""
    latest = await workshop.store.rollout(task.task_id)
    if named is not None or latest is None or latest.version != found.version:
        return
    if latest.phase in (RolloutPhase.ROLLED_BACK, RolloutPhase.ABANDONED):
        raise GateRefused(
            f"the newest version, {found.version}, was taken back: {latest.reason}",
            where="version",
            fix=f"name it if you mean it: --version {found.version}",
        )


def _refused(judged: UpdateJudged) -> GateRefused:
    failed = [finding for finding in judged.findings if not finding.holds]
    return GateRefused(
        "; ".join(f"{finding.rule}: {finding.what}" for finding in failed),
        where=f"version {judged.version}",
        fix='keep the model in production, retrain with more labels, or say why it goes live: --override "REASON"',
    )


def _moved(
    workshop: Workshop,
    task: Task,
    pair: LoadedPair,
    previous: int | None,
    reason: str,
    by: str,
    kind: type[ModelPromoted],
) -> ModelPromoted:
    return kind(
        event_id=_token(workshop),
        task_id=task.task_id,
        produced_at_us=workshop.clock.now_us(),
        producer=PRODUCER,
        version=pair.version.version,
        model_digest=pair.version.digest,
        previous_version=previous,
        reason=reason,
        by=by,
    )
