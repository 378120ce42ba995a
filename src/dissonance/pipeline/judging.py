"""The gate on an update: gather the numbers, judge, and keep the verdict with all it rests on in the hash chain."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from dissonance.contracts.columns import derived_id
from dissonance.contracts.events import CandidateRegistered, Event, UpdateJudged
from dissonance.contracts.policy import Policy
from dissonance.contracts.schema import Task
from dissonance.contracts.verdicts import UpdateVerdict
from dissonance.decisions.pairs import LoadedPair
from dissonance.decisions.slices import slices_of
from dissonance.decisions.updates.numbers import Change, SliceChange, UpdateNumbers
from dissonance.decisions.updates.verdict import judge_update
from dissonance.errors import GateRefused
from dissonance.pipeline.aliases import open_pair, open_version, production_version
from dissonance.pipeline.anchoring import anchor
from dissonance.pipeline.evidence import Held, evidence_of, judgement
from dissonance.pipeline.looked_at import LookedAt, look
from dissonance.pipeline.rollouts import begin
from dissonance.pipeline.training import LabelledRows
from dissonance.pipeline.workshop import Workshop
from dissonance.ports.registry import ModelVersion
from dissonance.science.divergences import kullback_leibler
from dissonance.science.metrics import expected_calibration_error
from dissonance.telemetry.logs import log
from dissonance.telemetry.names import LogAction

GATE = "gate"

_logger = logging.getLogger(__name__)


class Override(NamedTuple):
    """Who lets a refused update through, and why."""

    by: str
    reason: str


async def judge(workshop: Workshop, candidate: CandidateRegistered) -> list[Event]:
    """See `roles.updates.Updates.judge`."""
    task = await workshop.store.by_id(candidate.task_id)
    incumbent = await open_pair(workshop, task, await production_version(workshop, task))
    if incumbent.version.version == candidate.version:
        return []
    new = await open_version(workshop, task, candidate.version)
    event_id = derived_id("update_judged", [candidate.event_id])
    judged = await judge_pair(workshop, task, incumbent, new, event_id, by=GATE)
    if judged.verdict is not UpdateVerdict.ACCEPTED:
        return [judged]
    return [judged, *await _sent_on(workshop, task, new.version, incumbent.version, judged)]


async def _sent_on(
    workshop: Workshop, task: Task, candidate: ModelVersion, incumbent: ModelVersion, judged: UpdateJudged
) -> list[Event]:
    """The beginning of its rollout; nothing while another is live or the task cools off. It stays an accepted
    candidate then, for a person to promote or for the next update to learn more."""
    reason = f"accepted by the gate: {len(judged.findings)} rules hold"
    try:
        return await begin(workshop, task, candidate, incumbent, cause=judged.event_id, by=GATE, reason=reason)
    except GateRefused as refused:
        log(_logger, LogAction.ROLLOUT_PASSED_OVER, task=task.name, version=candidate.version, why=str(refused))
        return []


async def judge_pair(
    workshop: Workshop,
    task: Task,
    incumbent: LoadedPair,
    candidate: LoadedPair,
    event_id: str,
    *,
    by: str,
    override: Override | None = None,
) -> UpdateJudged:
    """The judgement, recorded; the one recorded before for the same `event_id`. A refusal that is overridden is
    recorded as such, with every rule's numbers."""
    earlier = [update for update in await workshop.store.updates(task.task_id) if update.event_id == event_id]
    if earlier:
        return earlier[0]
    policy = await workshop.store.policy(task.task_id)
    looked = await look(workshop, task)
    numbers = await gather(workshop, task, incumbent, candidate, looked, policy)
    verdict, findings = judge_update(numbers, policy)
    if verdict is UpdateVerdict.REFUSED and override is not None:
        verdict = UpdateVerdict.OVERRIDDEN
    judged = UpdateJudged(
        event_id=event_id,
        task_id=task.task_id,
        produced_at_us=workshop.clock.now_us(),
        producer=GATE,
        version=candidate.version.version,
        model_digest=candidate.version.digest,
        verdict=verdict,
        findings=findings,
        policy_version=policy.version,
        by=override.by if override is not None else by,
        reason=override.reason if override is not None else "",
    )
    models = Held(
        *(evidence_of(each.version, each.artefact, each.critic_version.digest) for each in (candidate, incumbent))
    )
    decision = await judgement(workshop, task, judged, models, numbers, policy, looked.digests)
    await workshop.store.record_update(judged, decision)
    await anchor(workshop, task)
    log(_logger, LogAction.UPDATE_JUDGED, task=task.name, version=judged.version, verdict=verdict.value)
    return judged


async def gather(
    workshop: Workshop, task: Task, incumbent: LoadedPair, candidate: LoadedPair, looked: LookedAt, policy: Policy
) -> UpdateNumbers:
    """Both models on the golden holdout, and on the inputs of the last mature window."""
    golden, window, _ = looked
    uses = len({update.model_digest for update in await workshop.store.updates(task.task_id, 10_000)})
    kl = kullback_leibler(incumbent.proposer.probabilities(window), candidate.proposer.probabilities(window))
    before, after = (_Answers.of(pair, golden) for pair in (incumbent, candidate))
    slices = [
        SliceChange(each.feature, each.value, _change(before.right[each.inside], after.right[each.inside]))
        for each in slices_of(task.schema, golden.features, policy.slice_rows_min)
    ]
    return UpdateNumbers(
        golden=_change(before.right, after.right),
        holdout_uses=uses,
        incumbent_calibration_error=before.calibration_error,
        candidate_calibration_error=after.calibration_error,
        kl=float(kl.mean()),
        kl_error=float(kl.std() / np.sqrt(len(kl))),
        window_rows=len(kl),
        slices=tuple(slices),
        **_held_out(candidate.version.metrics),
    )


def _held_out(said: Mapping[str, float]) -> dict[str, Any]:
    """What fresh labels say, if enough of them were held out when the candidate was made."""
    if "held_out_rise" not in said:
        return {}
    return {
        "held_out_rise": said["held_out_rise"],
        "held_out_error": said["held_out_rise_error"],
        "held_out_rows": int(said["held_out_rows"]),
    }


class _Answers(NamedTuple):
    """(n,) whether each golden row was answered right; the calibration error of the answers' own confidence."""

    right: np.ndarray[tuple[int], np.dtype[np.bool_]]
    calibration_error: float

    @classmethod
    def of(cls, pair: LoadedPair, golden: LabelledRows) -> _Answers:
        p = pair.proposer.probabilities(golden.features)
        right = np.asarray(p.argmax(axis=1) == golden.classes)
        if not len(right):
            return cls(right, 0.0)
        return cls(right, expected_calibration_error(p.max(axis=1), right.astype(np.float64)))


def _change(
    before: np.ndarray[tuple[int], np.dtype[np.bool_]], after: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> Change:
    return Change(
        rows=len(before),
        incumbent_right=int(before.sum()),
        candidate_right=int(after.sum()),
        gained=int((after & ~before).sum()),
        lost=int((before & ~after).sum()),
    )
