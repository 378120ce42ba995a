"""By hand: put a pair into production through the gate, or past it with a reason."""

from __future__ import annotations

import asyncio

from dissonance.contracts.events import ModelPromoted, UpdateJudged
from dissonance.contracts.standings import CONFIRM_LIMIT_S
from dissonance.contracts.updates import RolloutPhase
from dissonance.contracts.verdicts import UpdateVerdict
from dissonance.decisions.pairs import find_version
from dissonance.errors import GateRefused, InputError, ModelMoved
from dissonance.pipeline.aliases import move_aliases, open_pair, production_version
from dissonance.pipeline.confirming import confirm, roll_call
from dissonance.pipeline.finishing import look_once_more
from dissonance.pipeline.judging import Override, judge_pair
from dissonance.pipeline.promoted import NOBODY, Promoted, moved_by_hand, token_of
from dissonance.pipeline.rollouts import begin, refuse_unless_free
from dissonance.pipeline.telling import publish
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

    Promoting what is in production already moves nothing and tells every replica again. Raises `InputError` for an
    override without a reason, `RolloutUnderWay` before anything is judged while another version is on its way,
    `GateRefused`, `UnknownTask`, `ModelNotFound`, `ModelRefused` or `EngineUnavailable`: nothing changed then, or it
    says that the gate completes it; `ModelMoved` where somebody took it back meanwhile.
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
    if serving.version != found.version:
        await refuse_unless_free(workshop, task, latest, at_once=not canary)
    candidate = await open_pair(workshop, task, found)
    incumbent = await open_pair(workshop, task, serving)
    if candidate.version.version == incumbent.version.version:
        known = await roll_call(workshop, task)
        await move_aliases(workshop, candidate)
        await look_once_more(workshop, task, latest)
        await workshop.bus.publish(
            [moved_by_hand(workshop, task, candidate.version, found.version, "promoted again", by, ModelPromoted)]
        )
        replicas = await confirm(workshop, task, found.version, list(known), limit_s)
        critic = candidate.critic_version.version
        return Promoted(task, found.version, critic, found.version, None, _phase_of(latest), replicas, changed=False)
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
    await publish(workshop, task, events)
    if not canary and not any(type(event) is ModelPromoted for event in events):
        raise ModelMoved(
            f"version {found.version} was taken back while it was promoted",
            where=f"task '{name}'",
            fix=f"look who did it: dissonance models history {name}",
        )
    return Promoted(
        task,
        candidate.version.version,
        candidate.critic_version.version,
        incumbent.version.version,
        judged,
        RolloutPhase.CANARY if canary else RolloutPhase.ARMED,
        NOBODY if canary else await confirm(workshop, task, candidate.version.version, list(known), limit_s),
    )


def _phase_of(latest: Rollout | None) -> RolloutPhase:
    """Of what is in production already; what no rollout put there has long settled."""
    return RolloutPhase.SETTLED if latest is None or latest.phase is RolloutPhase.CANARY else latest.phase


def _refuse_taken_back(latest: Rollout | None, found: ModelVersion, named: int | None) -> None:
    """Without a version nobody means one that was taken back."""
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
