"""No slice may pay for the others."""

from __future__ import annotations

from dissonance.contracts.policy import Policy
from dissonance.contracts.verdicts import RuleFinding
from dissonance.decisions.updates.numbers import SliceChange, UpdateNumbers
from dissonance.science.proportions import paired_difference

LEVEL = 0.05
NAMED = 3


class NoSliceWorse:
    """A slice is worse when its accuracy drops by more than `slice_drop_max`, and by more than chance explains:
    one-sided, at a level divided by the number of slices looked at (Bonferroni), so that many small ones refuse no
    good model."""

    def check(self, numbers: UpdateNumbers, policy: Policy) -> RuleFinding:
        worse = [each for each in numbers.slices if self._is_worse(each, len(numbers.slices), policy)]
        worse.sort(key=lambda each: -each.change.drop)
        worst = max(numbers.slices, key=lambda each: each.change.drop, default=None)
        if worst is None:
            what = f"no slice of the golden holdout has {policy.slice_rows_min} rows"
        else:
            named = ", ".join(f"{each.feature} = {each.value} by {each.change.drop:.4f}" for each in worse[:NAMED])
            named += f" and {len(worse) - NAMED} more" if len(worse) > NAMED else ""
            what = (
                f"{len(worse)} of {len(numbers.slices)} slices lose more than {policy.slice_drop_max:g}: {named}"
                if worse
                else f"of {len(numbers.slices)} slices the worst, {worst.feature} = {worst.value}, loses "
                f"{worst.change.drop:.4f} on {worst.change.rows} rows; the policy allows {policy.slice_drop_max:g}"
            )
        return RuleFinding(
            rule=type(self).__name__,
            holds=not worse,
            numbers={
                "slices": float(len(numbers.slices)),
                "worse": float(len(worse)),
                "largest_drop": worst.change.drop if worst is not None else 0.0,
                "margin": policy.slice_drop_max,
            },
            what=what,
        )

    @staticmethod
    def _is_worse(each: SliceChange, looked_at: int, policy: Policy) -> bool:
        change = each.change
        if change.drop <= policy.slice_drop_max:
            return False
        return paired_difference(change.lost, change.gained, change.rows, 1.0 - 2.0 * LEVEL / looked_at).low > 0.0
