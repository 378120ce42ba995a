"""An update on its way: canary, promotion under watch, and back by itself.

The rollout is saved first and the alias moved after; whoever looks next finishes a move that was cut short.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict

import msgspec
import numpy as np

from dissonance.contracts.columns import derived_id
from dissonance.contracts.events import Event
from dissonance.contracts.policy import Policy
from dissonance.contracts.schema import Task
from dissonance.contracts.updates import LIVE_PHASES, RolloutPhase
from dissonance.decisions.beginning import first_phase, first_share
from dissonance.decisions.evidence.bundle import Beginning, StepTaken
from dissonance.decisions.pairs import LoadedPair
from dissonance.decisions.rollouts import ALLOWED_TO_OLD, SIDE_NAMED, Believed, gravest, next_step
from dissonance.errors import EngineError, ModelError
from dissonance.pipeline.aliases import open_version, production_version, verified_version
from dissonance.pipeline.anchoring import anchor
from dissonance.pipeline.behaving import Behaviours
from dissonance.pipeline.event_time import event_time_now_us
from dissonance.pipeline.evidence import rollout_decision
from dissonance.pipeline.finishing import finish
from dissonance.pipeline.refusals import cools_off, judged_against_another, saved_though, under_way
from dissonance.pipeline.telling import GATE, changed, incident, is_untold, moves_to, publish, tell_again
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.registry import ModelVersion
from dissonance.ports.rollouts import Rollout, known_as, step_cause
from dissonance.ports.store import Experience
from dissonance.security.rows import features_matrix, open_rows
from dissonance.telemetry.logs import log
from dissonance.telemetry.names import LogAction

BELIEVED_ROWS = 1_000
"""Newest inputs of a rollout on which both pairs are asked what they believe."""

LEAST_BELIEVED = 30
"""Different inputs without which nothing is estimated."""

PAIRS_KEPT = 4

_logger = logging.getLogger(__name__)
_Pairs = OrderedDict[tuple[str, int], LoadedPair]


async def begin(
    workshop: Workshop,
    task: Task,
    candidate: ModelVersion,
    incumbent: ModelVersion,
    *,
    cause: str,
    by: str,
    reason: str,
    overridden: bool = False,
    at_once: bool = False,
) -> list[Event]:
    """Start a canary, in the shadow first where the policy asks for it; with `at_once`, or a `canary_share` of 0,
    promote and watch. The same `cause` begins once.

    Raises `RolloutUnderWay` while another rollout is live, `JudgementOutdated`, or `CoolingOff` (not for `at_once`,
    which a person asked for).
    """
    policy = await workshop.store.policy(task.task_id)
    now_us = await event_time_now_us(workshop, task.task_id)
    latest = await workshop.store.rollout(task.task_id)
    rollout_id = derived_id("rollout", [task.task_id, str(candidate.version), cause])
    if latest is not None and latest.rollout_id == rollout_id:
        return await carry_out(workshop, task, latest)
    await _still_incumbent(workshop, task, candidate, incumbent, latest)
    phase = _first_phase(task, candidate.version, latest, now_us, policy, at_once=at_once)
    rollout = Rollout(
        rollout_id=rollout_id,
        task_id=task.task_id,
        version=candidate.version,
        model_digest=candidate.digest,
        previous_version=incumbent.version,
        previous_digest=incumbent.digest,
        phase=phase,
        share=first_share(policy),
        started_at_us=now_us,
        phase_at_us=now_us,
        by=by,
        reason=reason,
        overridden=overridden,
    )
    begun = Beginning(latest=latest, now_us=now_us, at_once=at_once, phase=phase)
    decision = await rollout_decision(workshop, task, rollout, policy, parent=cause, beginning=begun)
    if not await workshop.store.save_rollout(rollout, decision, known_as(latest)):
        other = await workshop.store.rollout(task.task_id)
        raise under_way(task.name, other if other is not None and other.phase in LIVE_PHASES else None, policy)
    try:
        return await carry_out(workshop, task, rollout)
    except EngineError as error:
        raise saved_though(error, task.name, rollout.version, phase) from error


async def refuse_unless_free(
    workshop: Workshop, task: Task, version: int, latest: Rollout | None, *, at_once: bool
) -> None:
    """Before anything is judged: a judgement that cannot go on has worn the golden rows for nothing. Raises as `begin`
    does, which looks again: somebody may come between."""
    policy = await workshop.store.policy(task.task_id)
    now_us = await event_time_now_us(workshop, task.task_id)
    _first_phase(task, version, latest, now_us, policy, at_once=at_once)


async def _still_incumbent(
    workshop: Workshop, task: Task, candidate: ModelVersion, incumbent: ModelVersion, latest: Rollout | None
) -> None:
    """Raises `JudgementOutdated` where what it was judged against is no longer in production, or is to leave."""
    serving = (await production_version(workshop, task)).version
    wanted = None if latest is None else moves_to(latest)
    if latest is not None and wanted is not None and wanted[0] != serving and await is_untold(workshop, latest):
        serving = wanted[0]
    if serving != incumbent.version and (latest is None or latest.phase not in LIVE_PHASES):
        raise judged_against_another(task.name, candidate.version, incumbent.version, serving)


class Rollouts:
    """Advances rollouts; keeps the pairs that it compares. One per process; safe to run on several replicas."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop
        self._pairs: _Pairs = OrderedDict()
        self._behaviours = Behaviours(workshop)

    async def advance(self, task_id: str) -> list[Event]:
        """See `roles.updates.Updates.advance`. What others left untold is told last: a decision that was tampered with
        must not keep a model from being taken back."""
        rollout = await self._workshop.store.rollout(task_id)
        if rollout is None:
            return []
        task = await self._workshop.store.by_id(task_id)
        events = await finish(self._workshop, task, rollout) if await is_untold(self._workshop, rollout) else []
        if rollout.phase in LIVE_PHASES:
            events += await self._step(task, rollout)
        return [*events, *await tell_again(self._workshop, task)]

    async def _step(self, task: Task, rollout: Rollout) -> list[Event]:
        workshop, task_id = self._workshop, task.task_id
        policy = await workshop.store.policy(task_id)
        paired = await workshop.store.paired_counts(
            task_id, rollout.model_digest, rollout.previous_digest, rollout.started_at_us
        )
        now_us = await event_time_now_us(workshop, task_id)
        believed = await self._believed(task, rollout, now_us)
        behaved = await self._behaviours.since(task, rollout)
        step = next_step(rollout, paired, believed, now_us, policy, behaved)
        if step is None:
            return []
        after = msgspec.structs.replace(
            rollout,
            phase=step.phase,
            phase_at_us=now_us,
            by=GATE,
            reason=step.reason,
            share=rollout.share if step.share is None else step.share,
            revision=rollout.revision + 1,
        )
        taken = StepTaken(
            rollout=rollout,
            paired=paired,
            believed=believed,
            behaved=behaved,
            form=SIDE_NAMED,
            now_us=now_us,
            phase=step.phase,
            reason=step.reason,
        )
        if step.phase is RolloutPhase.ROLLED_BACK and not await self._can_go_back(task, rollout):
            return []
        decision = await rollout_decision(workshop, task, after, policy, parent=step_cause(rollout), step=taken)
        if not await workshop.store.save_rollout(after, decision):
            return []
        said = await carry_out(workshop, task, after)
        if step.phase is RolloutPhase.ROLLED_BACK:
            said.append(await incident(workshop, task, taken, after, said))
        await publish(workshop, task, said)
        return said

    async def _can_go_back(self, task: Task, rollout: Rollout) -> bool:
        """What is damaged takes the place of nothing: a person has to name another version."""
        try:
            await verified_version(self._workshop, task, rollout.previous_version)
        except ModelError as error:
            log(_logger, LogAction.MODEL_REFUSED, logging.ERROR, task=task.name, why=str(error))
            return False
        return True

    async def _believed(self, task: Task, rollout: Rollout, now_us: int) -> Believed | None:
        """What the graver of both critics believes of both models on the newest inputs since this phase began."""
        rows = await self._workshop.store.between(task.task_id, rollout.phase_at_us, now_us + 1, BELIEVED_ROWS)
        features = await _features(self._workshop, task, rows)
        # The same input asked about again and again says nothing new, and would look certain.
        features = features[list({row.tobytes(): i for i, row in enumerate(features)}.values())]
        if len(features) < LEAST_BELIEVED:
            return None
        try:
            new, old = await self._pair(task, rollout.version), await self._pair(task, rollout.previous_version)
        except ModelError as error:
            log(_logger, LogAction.MODEL_REFUSED, logging.ERROR, task=task.name, why=str(error))
            return None
        return await asyncio.to_thread(_compare, new, old, features)

    async def _pair(self, task: Task, version: int) -> LoadedPair:
        key = (task.task_id, version)
        if key not in self._pairs:
            self._pairs[key] = await open_version(self._workshop, task, version)
            while len(self._pairs) > PAIRS_KEPT:
                self._pairs.popitem(last=False)
        return self._pairs[key]


async def carry_out(workshop: Workshop, task: Task, rollout: Rollout) -> list[Event]:
    """Move the aliases as this phase asks for, anchor what was decided, and say what changed."""
    log(
        _logger,
        LogAction.ROLLOUT_CHANGED,
        task=task.name,
        version=rollout.version,
        phase=rollout.phase.value,
        why=rollout.reason,
    )
    moves = await finish(workshop, task, rollout, always=True)
    await anchor(workshop, task)
    return [changed(workshop, rollout), *moves]


def _first_phase(
    task: Task, version: int, latest: Rollout | None, now_us: int, policy: Policy, *, at_once: bool
) -> RolloutPhase:
    if latest is not None and latest.phase in LIVE_PHASES:
        raise under_way(task.name, latest, policy, version)
    phase = first_phase(latest, now_us, policy, at_once=at_once)
    if phase is None:
        assert latest is not None  # nothing cools off where nothing was taken back
        raise cools_off(task.name, version, latest, policy.cooling_off_s)
    return phase


async def _features(
    workshop: Workshop, task: Task, rows: list[Experience]
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    data_subjects = [row.data_subject for row in rows]
    keys = await workshop.keys.find(task.task_id, list(set(data_subjects)))
    ids = [row.prediction_id for row in rows]
    opened = open_rows(keys, task.task_id, ids, data_subjects, [row.sealed for row in rows])
    width = len(task.schema.features)
    return features_matrix([row for row in opened if row is not None and len(row.features) == 8 * width], width)


def _compare(new: LoadedPair, old: LoadedPair, features: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> Believed:
    """Each critic says how likely every class is, given the answer of the model that it was made for, and both models'
    answers are held against that: what it would make of answers of a model it never saw, nothing vouches for."""
    p_new, p_old = new.proposer.probabilities(features), old.proposer.probabilities(features)
    rows, answered, answered_before = np.arange(len(features)), p_new.argmax(axis=1), p_old.argmax(axis=1)
    believed = []
    for q, allowed in (
        (new.critic.distribution(features, p_new), 0.0),
        (old.critic.distribution(features, p_old), ALLOWED_TO_OLD),
    ):
        differences = q[rows, answered] - q[rows, answered_before]
        n = len(differences)
        believed.append(Believed(n, float(differences.mean()), float(differences.std() / np.sqrt(n)), allowed))
    return gravest(believed)
