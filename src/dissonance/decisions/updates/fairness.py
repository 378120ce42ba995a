"""An update may not widen the gap between groups of people."""

from __future__ import annotations

from dissonance.contracts.policy import Policy
from dissonance.contracts.verdicts import RuleFinding
from dissonance.decisions.updates.numbers import GroupGaps, UpdateNumbers


class FairnessNotWorse:
    """For each of the policy's `sensitive_columns`, demographic parity difference and equalised odds difference (Hardt
    et al. 2016) on golden rows rise by at most `fairness_rise_max`, and above `fairness_gap_max` only an update that
    lowers them goes live: refusing that one would keep the wider gap. A name that is no column of the task refuses."""

    def check(self, numbers: UpdateNumbers, policy: Policy) -> RuleFinding:
        wrong = [said for gaps in numbers.fairness for said in _wrong(gaps, policy)]
        wrong += [f"'{name}' is no column of the task" for name in numbers.not_in_schema]
        return RuleFinding(
            rule=type(self).__name__,
            holds=not wrong,
            numbers={
                f"{gaps.column}_{name}": value
                for gaps in numbers.fairness
                for name, value in (
                    ("incumbent_parity", gaps.incumbent_parity),
                    ("candidate_parity", gaps.candidate_parity),
                    ("incumbent_odds", gaps.incumbent_odds),
                    ("candidate_odds", gaps.candidate_odds),
                    ("groups", float(gaps.groups)),
                )
            },
            what="; ".join(wrong or map(_said, numbers.fairness)) or "no sensitive column is declared",
        )


def _wrong(gaps: GroupGaps, policy: Policy) -> list[str]:
    return [
        f"{name} of {gaps.column} goes from {before:.4f} to {after:.4f}; the policy allows a rise of "
        f"{policy.fairness_rise_max:g}, and above {policy.fairness_gap_max:g} none"
        for name, before, after in _pairs(gaps)
        if after - before > policy.fairness_rise_max or (after > policy.fairness_gap_max and after > before)
    ]


def _said(gaps: GroupGaps) -> str:
    if gaps.groups < 2:
        return f"{gaps.column}: fewer than two groups have enough golden rows to compare"
    return f"{gaps.column}, {gaps.groups} groups: " + ", ".join(
        f"{name} {before:.4f} to {after:.4f}" for name, before, after in _pairs(gaps)
    )


def _pairs(gaps: GroupGaps) -> tuple[tuple[str, float, float], ...]:
    return (
        ("demographic parity difference", gaps.incumbent_parity, gaps.candidate_parity),
        ("equalised odds difference", gaps.incumbent_odds, gaps.candidate_odds),
    )
