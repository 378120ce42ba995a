"""The candidate must not be worse than the incumbent on the golden holdout."""

from __future__ import annotations

from dissonance.contracts.policy import Policy
from dissonance.contracts.verdicts import RuleFinding
from dissonance.decisions.updates.numbers import UpdateNumbers
from dissonance.science.proportions import Interval, paired_difference

LEVEL = 0.05
WORN_KNOWN = 2
"""Form of judgements from which on a holdout that is worn by looks is told from one that proves a drop."""

BOUND_NAMED = 3
"""Form from which on the interval's end is called what it is; earlier judgements are replayed to the byte."""

HALF_A_ROW = 0.5e-6
"""Accuracies are shares of whole rows: more than any rounding error, less than any drop."""


class GoldenNonInferiority:
    """Paired non-inferiority by `golden_drop_max`.

    The drop that was seen may not exceed the margin. Where the holdout is large enough to tell (the interval's half is
    within the margin), the whole interval must lie within it; its level is divided by the number of judgements that
    have looked at the same rows (Bonferroni), since each look tells something about them (Dwork et al. 2015). Once so
    many have that no interval could lie within the margin any more, no drop at all may be seen: a candidate that
    answers as the incumbent is never refused, and more looks never let through what fewer refused. Judgements of form 1
    asked for the impossible there, and are replayed as they were; so is what judgements of form 2 said.
    """

    def check(self, numbers: UpdateNumbers, policy: Policy) -> RuleFinding:
        golden, margin = numbers.golden, policy.golden_drop_max + HALF_A_ROW
        looks = numbers.holdout_uses + 1
        stated = paired_difference(golden.lost, golden.gained, golden.rows, 1.0 - LEVEL)
        corrected = paired_difference(golden.lost, golden.gained, golden.rows, 1.0 - LEVEL / looks)
        is_worn = numbers.golden_form >= WORN_KNOWN and _half(corrected) > margin
        proven = golden.drop <= 0.0 if is_worn else corrected.high <= margin
        holds = golden.drop <= margin and (proven or _half(stated) > margin)
        bound, counted = "at most", f"{looks} looks"
        if numbers.golden_form >= BOUND_NAMED:
            bound, counted = "upper bound", "1 look" if looks == 1 else counted
        before, after = golden.incumbent_right / golden.rows, golden.candidate_right / golden.rows
        return RuleFinding(
            rule=type(self).__name__,
            holds=holds,
            numbers={
                "incumbent_accuracy": before,
                "candidate_accuracy": after,
                "drop": golden.drop,
                "drop_high": corrected.high,
                "rows": float(golden.rows),
                "looks": float(looks),
                "margin": policy.golden_drop_max,
            },
            what=f"accuracy on {golden.rows} golden rows goes from {before:.4f} to {after:.4f} (a drop of "
            f"{golden.drop:.4f}, {bound} {corrected.high:.4f} after {counted}); the policy allows "
            f"{policy.golden_drop_max:.4f}",
        )


def _half(interval: Interval) -> float:
    return (interval.high - interval.low) / 2.0
