"""The last steps: the candidate judged by what holds now, and sent on its way unless it was taken back before."""

from __future__ import annotations

from dissonance.contracts.columns import derived_id
from dissonance.contracts.events import CandidateRegistered, UpdateJudged
from dissonance.contracts.updates import LIVE_PHASES
from dissonance.contracts.verdicts import UpdateVerdict
from dissonance.decisions.evidence.chain import GOLDEN_ROWS
from dissonance.decisions.pairs import LoadedPair
from dissonance.errors import PipelineBusy
from dissonance.errors_of_updates import JudgementOutdated, TakenBackBefore
from dissonance.pipeline.aliases import open_pair, open_version, production_version
from dissonance.pipeline.flow.step import Made
from dissonance.pipeline.flow.work import Inputs, Work
from dissonance.pipeline.golden_digest import golden_digest
from dissonance.pipeline.judging import GATE, judge_pair, require_not_taken_back, send_on
from dissonance.pipeline.rollouts import carry_out
from dissonance.pipeline.telling import is_untold, publish
from dissonance.pipeline.verifying import proven_bundle
from dissonance.ports.registry import ModelVersion
from dissonance.ports.rollouts import Rollout
from dissonance.ports.steps import FAILS, HOLDS, Number, StepName

PRODUCER = "pipeline"
MOST_UPDATES = 10_000


async def gate_inputs(work: Work) -> Inputs:
    """What a judgement rests on, as things are now, but the traffic: that passes on, and another look would wear the
    golden rows for nothing."""
    return {
        "model": work.done[StepName.REGISTER].digest,
        "incumbent": (await production_version(work.workshop, work.task)).digest,
        "policy": await work.policy_digest(),
        "golden": await golden_digest(work.workshop, work.task),
    }


async def gate(work: Work) -> Made:
    """The verdict, recorded under the same id as if the gate's own role had been asked; both are published. Where that
    judgement rested on something else, a new one."""
    task, workshop = work.task, work.workshop
    new = await open_version(workshop, task, _version(work, StepName.REGISTER))
    serving = await production_version(workshop, task)
    if serving.version == new.version.version:
        what = f"version {serving.version} is in production already: there is nothing to judge"
        numbers: dict[str, Number] = {"version": serving.version, "verdict": "in production"}
        return Made(serving.digest, numbers, (what,), lasting=False, reused=True)
    told = _candidate_registered(work, new)
    first = derived_id("update_judged", [told.event_id])
    event_id = await _event_id(work, first)
    judged = await judge_pair(workshop, task, await open_pair(workshop, task, serving), new, event_id, by=GATE)
    # Told again, the gate's own role would go by the judgement of before.
    await workshop.bus.publish([told, judged] if event_id == first else [judged])
    return _made_of(judged)


async def rollout_inputs(work: Work) -> Inputs:
    return {"model": work.done[StepName.GATE].digest, "judgement": work.done[StepName.GATE].key}


async def rollout(work: Work) -> Made:
    """Its canary begins, or where the policy has none, it is promoted under watch. Looked at anew each time, since a
    rollout goes on and ends: what is on its way is not begun again, and it is passed over while another is, while the
    task cools off, and where it was taken back."""
    task, workshop = work.task, work.workshop
    new = (await open_version(workshop, task, _version(work, StepName.GATE))).version
    try:
        await require_not_taken_back(workshop, task, new.version)
    except TakenBackBefore as refused:
        return _passed_over(new, str(refused))
    serving, latest = await production_version(workshop, task), await workshop.store.rollout(task.task_id)
    if latest is not None and latest.version == new.version and latest.phase in LIVE_PHASES:
        if await is_untold(workshop, latest):
            await publish(workshop, task, await carry_out(workshop, task, latest))
        return _on_its_way(new, latest, reused=True)
    if serving.version == new.version:
        return Made(new.digest, {"version": new.version, "phase": "in production"}, lasting=False, reused=True)
    sent = await send_on(workshop, task, new, serving, await _judged(work))
    if sent.passed_over:
        return _passed_over(new, sent.passed_over)
    await publish(workshop, task, sent.events)
    return _on_its_way(new, await workshop.store.rollout(task.task_id))


def _version(work: Work, step: StepName) -> int:
    return int(work.done[step].numbers["version"] or 0)


async def _event_id(work: Work, first: str) -> str:
    """Of the judgement on the inputs of now: that of the first one, unless it was made on others."""
    decided = await work.workshop.store.decision_of(work.task.task_id, first)
    inputs = await gate_inputs(work)
    if decided is not None:
        bundle = proven_bundle(decided, work.workshop.artefact_keys.verification)
        rests_on = {
            "model": bundle.candidate.digest,
            "incumbent": bundle.incumbent.digest if bundle.incumbent is not None else "",
            "policy": bundle.policy_digest,
            "golden": bundle.digests.get(GOLDEN_ROWS, ""),
        }
        if rests_on != inputs:
            return derived_id("update_judged", [first, work.key_of(StepName.GATE, inputs)])
    return first


def _made_of(judged: UpdateJudged) -> Made:
    failed = tuple(f"{finding.rule}: {finding.what}" for finding in judged.findings if not finding.holds)
    numbers: dict[str, Number] = {
        "version": judged.version,
        "verdict": judged.verdict.value,
        "rules": len(judged.findings),
        "judgement": judged.event_id,
        "policy_version": judged.policy_version,
    }
    numbers |= {finding.rule: HOLDS if finding.holds else FAILS for finding in judged.findings}
    return Made(judged.model_digest, numbers, failed, accepted=judged.verdict is not UpdateVerdict.REFUSED)


def _on_its_way(new: ModelVersion, latest: Rollout | None, *, reused: bool = False) -> Made:
    phase = "" if latest is None else latest.phase.value
    live = latest is not None and latest.phase in LIVE_PHASES
    numbers: dict[str, Number] = {"version": new.version, "phase": phase, "live": int(live)}
    return Made(new.digest, numbers, lasting=False, reused=reused)


def _passed_over(new: ModelVersion, why: str) -> Made:
    numbers: dict[str, Number] = {"version": new.version, "phase": "passed over"}
    return Made(new.digest, numbers, (why,), lasting=False, passed_over=True)


async def _judged(work: Work) -> UpdateJudged:
    """What the gate of this run said, if it would say it now. Raises `JudgementOutdated` or `PipelineBusy`."""
    verdict = work.done[StepName.GATE]
    if work.key_of(StepName.GATE, await gate_inputs(work)) != verdict.key:
        raise JudgementOutdated(
            "policy, golden rows or the version in production changed after the gate had judged",
            where=f"version {verdict.numbers['version']}",
            fix=f"let it judge anew: dissonance pipeline run {work.task.name} --resume",
        )
    for update in await work.workshop.store.updates(work.task.task_id, MOST_UPDATES):
        if update.event_id == verdict.numbers["judgement"]:
            return update
    raise PipelineBusy(
        "the gate has not judged it",
        where=f"version {verdict.numbers['version']}",
        fix=f"run it again: dissonance pipeline run {work.task.name}",
    )


def _candidate_registered(work: Work, new: LoadedPair) -> CandidateRegistered:
    version = new.version
    return CandidateRegistered(
        event_id=derived_id("candidate_registered", [work.task.task_id, str(version.version)]),
        task_id=work.task.task_id,
        produced_at_us=work.workshop.clock.now_us(),
        producer=PRODUCER,
        version=version.version,
        model_digest=version.digest,
        parent_version=version.parent,
        reason=work.request.reason,
        numbers=dict(version.metrics),
    )
