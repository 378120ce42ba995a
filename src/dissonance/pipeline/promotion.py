"""By hand: put a pair into production through the gate, or past it with a reason."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from dissonance.contracts.events import Event, ModelPromoted, RolloutChanged, UpdateJudged
from dissonance.contracts.schema import Task
from dissonance.contracts.standings import CONFIRM_LIMIT_S
from dissonance.contracts.updates import RolloutPhase
from dissonance.contracts.verdicts import UpdateVerdict
from dissonance.decisions.pairs import LoadedPair, VerifiedPair, find_version
from dissonance.errors import EngineError, GateRefused, InputError, ModelMoved
from dissonance.errors_of_updates import TakenBackBefore
from dissonance.pipeline.aliases import move_aliases, open_pair, production_version, verified_version
from dissonance.pipeline.confirming import confirm, roll_call
from dissonance.pipeline.finishing import look_once_more
from dissonance.pipeline.judging import Override, judge_pair
from dissonance.pipeline.promoted import NOBODY, Promoted, moved_by_hand, token_of
from dissonance.pipeline.refusals import saved_though
from dissonance.pipeline.rollouts import begin, carry_out, refuse_unless_free
from dissonance.pipeline.telling import is_untold, publish
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.registry import ModelVersion
from dissonance.ports.rollouts import Rollout


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

    Promoting what is in production already moves nothing and tells every replica again. It is saved before anything
    moves: whatever is cut short the gate finishes, and so does the same call, which judges nothing again. Raises
    `InputError` for an override without a reason, `UpdateHeldUp` before anything is judged where it may not go on its
    way now, `GateRefused`, `UnknownTask`, `ModelNotFound`, `ModelRefused` or `EngineUnavailable`: nothing changed then,
    or it says that the same call completes it; `ModelMoved` where somebody took it back meanwhile.
    """
    if override is not None and not override.strip():
        raise InputError(
            "an override without a reason",
            where="override",
            fix='say why it goes live all the same: --override "REASON"',
        )
    task = await workshop.store.by_name(name)
    found = await asyncio.to_thread(find_version, workshop.registry, task, version)
    latest = await workshop.store.rollout(task.task_id)
    _refuse_taken_back(latest, found, version)
    serving = await production_version(workshop, task)
    if serving.version == found.version:
        return await _promote_again(workshop, task, found, latest, by=by, limit_s=limit_s)
    if (
        latest is not None
        and latest.version == found.version
        and latest.phase is (RolloutPhase.CANARY if canary else RolloutPhase.ARMED)
    ):
        return await _go_on(workshop, task, serving, latest, limit_s=limit_s)
    await refuse_unless_free(workshop, task, found.version, latest, at_once=not canary)
    candidate = await open_pair(workshop, task, found)
    incumbent = await open_pair(workshop, task, serving)
    cause = token_of(workshop)
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
    return await _told(workshop, task, candidate, serving, judged, events, list(known), limit_s)


async def _promote_again(
    workshop: Workshop, task: Task, found: ModelVersion, latest: Rollout | None, *, by: str, limit_s: float
) -> Promoted:
    """What is in production already; its critic may not be yet."""
    pair = await open_pair(workshop, task, found)
    known = await roll_call(workshop, task)
    await move_aliases(workshop, pair)
    await look_once_more(workshop, task, latest)
    await workshop.bus.publish(
        [moved_by_hand(workshop, task, pair.version, found.version, "promoted again", by, ModelPromoted)]
    )
    replicas = await confirm(workshop, task, found.version, list(known), limit_s)
    critic = pair.critic_version.version
    return Promoted(task, found.version, critic, found.version, None, _phase_of(latest), replicas, changed=False)


async def _go_on(workshop: Workshop, task: Task, serving: ModelVersion, latest: Rollout, *, limit_s: float) -> Promoted:
    """What an earlier call has saved, and may not have done: a canary that is told of is as it was asked for."""
    pair = await verified_version(workshop, task, latest.version)
    if latest.phase is RolloutPhase.CANARY and not await is_untold(workshop, latest):
        critic = pair.critic_version.version
        return Promoted(task, latest.version, critic, serving.version, None, latest.phase, changed=False)
    known = await roll_call(workshop, task)
    try:
        events = await carry_out(workshop, task, latest)
    except EngineError as error:
        raise saved_though(error, task.name, latest.version, latest.phase) from error
    return await _told(workshop, task, pair, serving, None, events, list(known), limit_s)


async def _told(
    workshop: Workshop,
    task: Task,
    pair: VerifiedPair | LoadedPair,
    before: ModelVersion,
    judged: UpdateJudged | None,
    events: Sequence[Event],
    known: Sequence[str],
    limit_s: float,
) -> Promoted:
    """`events` of the beginning of a rollout, which are said now; `known` replicas are waited for."""
    version = pair.version.version
    phase = next(event.phase for event in events if isinstance(event, RolloutChanged))
    try:
        await publish(workshop, task, events)
    except EngineError as error:
        raise saved_though(error, task.name, version, phase) from error
    replicas = NOBODY
    if phase is not RolloutPhase.CANARY:
        if not any(type(event) is ModelPromoted for event in events):
            raise ModelMoved(
                f"version {version} was taken back while it was promoted",
                where=f"task '{task.name}'",
                fix=f"look who did it: dissonance models history {task.name}",
            )
        replicas = await confirm(workshop, task, version, known, limit_s)
    return Promoted(task, version, pair.critic_version.version, before.version, judged, phase, replicas)


def _phase_of(latest: Rollout | None) -> RolloutPhase:
    """Of what is in production already; what no rollout put there has long settled."""
    return RolloutPhase.SETTLED if latest is None or latest.phase is RolloutPhase.CANARY else latest.phase


def _refuse_taken_back(latest: Rollout | None, found: ModelVersion, named: int | None) -> None:
    """Without a version nobody means one that was taken back."""
    if named is not None or latest is None or latest.version != found.version:
        return
    if latest.phase in (RolloutPhase.ROLLED_BACK, RolloutPhase.ABANDONED):
        raise TakenBackBefore(
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
