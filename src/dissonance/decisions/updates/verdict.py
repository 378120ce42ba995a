"""May an update go live? All rules must hold, and an empty gate refuses. Pure: the same numbers, the same verdict."""

from __future__ import annotations

from collections.abc import Sequence

from dissonance.contracts.policy import Policy
from dissonance.contracts.verdicts import RuleFinding, UpdateVerdict
from dissonance.decisions.updates.calibration import CalibrationNotWorse
from dissonance.decisions.updates.fairness import FairnessNotWorse
from dissonance.decisions.updates.golden import GoldenNonInferiority
from dissonance.decisions.updates.held_out import HeldOutLossNotWorse
from dissonance.decisions.updates.holdout import HoldoutFresh
from dissonance.decisions.updates.identity import SignedForTask
from dissonance.decisions.updates.kl import KLBound
from dissonance.decisions.updates.latency import LatencyWithin
from dissonance.decisions.updates.numbers import UpdateNumbers, UpdateRule
from dissonance.decisions.updates.robustness import RobustToNoise
from dissonance.decisions.updates.size import SizeWithin
from dissonance.decisions.updates.slices import NoSliceWorse

RULES: tuple[UpdateRule, ...] = (
    GoldenNonInferiority(),
    KLBound(),
    NoSliceWorse(),
    CalibrationNotWorse(),
    HeldOutLossNotWorse(),
    RobustToNoise(),
    LatencyWithin(),
    SizeWithin(),
    SignedForTask(),
    FairnessNotWorse(),
    HoldoutFresh(),
)


def judge_update(
    numbers: UpdateNumbers, policy: Policy, rules: Sequence[UpdateRule] = RULES
) -> tuple[UpdateVerdict, tuple[RuleFinding, ...]]:
    """`ACCEPTED` or `REFUSED`, with what every rule found. No rules, or no golden rows, refuse; of a candidate that may
    not be opened, nothing but that is found."""
    if numbers.identity.refusal:
        return UpdateVerdict.REFUSED, (SignedForTask().check(numbers, policy),)
    if not rules or not numbers.golden.rows:
        nothing = RuleFinding("EmptyGate", False, {}, "there is no rule, or no golden row, to judge the update by")
        return UpdateVerdict.REFUSED, (nothing,)
    findings = tuple(rule.check(numbers, policy) for rule in rules)
    accepted = all(finding.holds for finding in findings)
    return (UpdateVerdict.ACCEPTED if accepted else UpdateVerdict.REFUSED), findings
