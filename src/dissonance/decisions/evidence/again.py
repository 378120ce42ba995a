"""A decision again, from its bundle alone: under its own policy the same to the byte, under another policy what that
would have decided on the same numbers.

A judgement is made by the rules that made it; rules that came later knew nothing of its candidate. Pure.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from dissonance.contracts.evidence import DecisionKind, canonical
from dissonance.contracts.policy import Policy
from dissonance.contracts.updates import RolloutPhase
from dissonance.contracts.verdicts import RuleFinding, UpdateVerdict
from dissonance.decisions.beginning import first_phase, first_share
from dissonance.decisions.evidence.bundle import Bundle, Judgement
from dissonance.decisions.rollouts import next_step
from dissonance.decisions.updates.verdict import RULES, judge_update

KINDS = {
    RolloutPhase.CANARY: DecisionKind.CANARY,
    RolloutPhase.ARMED: DecisionKind.PROMOTED,
    RolloutPhase.SETTLED: DecisionKind.SETTLED,
    RolloutPhase.ABANDONED: DecisionKind.ABANDONED,
    RolloutPhase.ROLLED_BACK: DecisionKind.ROLLED_BACK,
}
"""What is decided where a rollout goes into a phase."""


class Said(msgspec.Struct, frozen=True):
    """What can be computed of a decision. `kind` None: nothing would have been decided yet. `why`: of a step.
    `share`: of requests that a canary answers from then on."""

    kind: DecisionKind | None
    findings: tuple[RuleFinding, ...] = ()
    why: str = ""
    share: float = 0.0


class Compared(NamedTuple):
    """`computed`: by rules, and not by a person. `rules` fail in one of both only."""

    recorded: Said
    now: Said
    computed: bool
    rules: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        """To the byte."""
        return canonical(self.recorded) == canonical(self.now)

    @property
    def is_decided_otherwise(self) -> bool:
        return self.recorded.kind is not self.now.kind


def compared(bundle: Bundle, policy: Policy | None = None) -> Compared:
    """The decision beside what comes out under `policy`, its own where none is given."""
    recorded, now = _recorded(bundle), _again(bundle, bundle.policy if policy is None else policy)
    return Compared(
        recorded=recorded,
        now=now,
        computed=(bundle.judgement or bundle.beginning or bundle.step) is not None,
        rules=tuple(sorted(_failing(recorded) ^ _failing(now))),
    )


def kind_of(verdict: UpdateVerdict, *, overridden: bool) -> DecisionKind:
    """What is decided by a verdict of the gate; a person overrides only what it refuses.

    >>> kind_of(UpdateVerdict.ACCEPTED, overridden=True)
    <DecisionKind.ACCEPTED: 'accepted'>
    """
    if verdict is UpdateVerdict.ACCEPTED:
        return DecisionKind.ACCEPTED
    return DecisionKind.OVERRIDDEN if overridden else DecisionKind.REFUSED


def _recorded(bundle: Bundle) -> Said:
    if bundle.judgement is not None:
        return Said(bundle.kind, bundle.judgement.findings)
    return Said(bundle.kind, why="" if bundle.step is None else bundle.step.reason, share=bundle.share)


def _again(bundle: Bundle, policy: Policy) -> Said:
    if bundle.judgement is not None:
        return _judged(bundle.judgement, policy, overridden=bundle.kind is DecisionKind.OVERRIDDEN)
    if bundle.beginning is not None:
        begun = bundle.beginning
        phase = first_phase(begun.latest, begun.now_us, policy, at_once=begun.at_once)
        return _in_phase(phase, first_share(policy))
    if bundle.step is not None:
        taken = bundle.step
        step = next_step(taken.rollout, taken.paired, taken.believed, taken.now_us, policy, taken.behaved, taken.form)
        if step is None:
            return Said(None)
        return _in_phase(step.phase, taken.rollout.share if step.share is None else step.share, step.reason)
    return _recorded(bundle)


def _in_phase(phase: RolloutPhase | None, share: float, why: str = "") -> Said:
    if phase is None:
        return Said(None)
    return Said(KINDS[phase], why=why, share=share if phase is RolloutPhase.CANARY else 0.0)


def _judged(judgement: Judgement, policy: Policy, *, overridden: bool) -> Said:
    names = {finding.rule for finding in judgement.findings}
    rules = [rule for rule in RULES if type(rule).__name__ in names]
    verdict, findings = judge_update(judgement.numbers, policy, rules)
    return Said(kind_of(verdict, overridden=overridden), findings)


def _failing(said: Said) -> set[str]:
    return {finding.rule for finding in said.findings if not finding.holds}
