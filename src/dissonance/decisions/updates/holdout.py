"""A holdout that was looked at too often proves nothing more."""

from __future__ import annotations

from dissonance.contracts.policy import Policy
from dissonance.contracts.verdicts import RuleFinding
from dissonance.decisions.updates.golden import WORN_KNOWN
from dissonance.decisions.updates.numbers import UpdateNumbers

REFRESH = "give rows that no model was made of or judged on (dissonance task golden)"
MAKE_ANEW = "make the task anew with rows that no update was judged on (dissonance task create)"
"""Of judgements from before a holdout could be refreshed; they are replayed as they were."""


class HoldoutFresh:
    """At most `holdout_uses_max` candidates are judged on one golden holdout. Each look tells something about its rows
    (Dwork et al. 2015), which `GoldenNonInferiority` makes up for by a wider interval: at 1,000 looks it is twice as
    wide as at the first, so that the holdout then proves half as much."""

    def check(self, numbers: UpdateNumbers, policy: Policy) -> RuleFinding:
        looks = numbers.holdout_uses + 1
        holds = looks <= policy.holdout_uses_max
        what = f"this is look {looks} of {policy.holdout_uses_max} at the golden holdout"
        if not holds:
            what += f"; refresh it: {REFRESH if numbers.golden_form >= WORN_KNOWN else MAKE_ANEW}"
        return RuleFinding(
            rule=type(self).__name__,
            holds=holds,
            numbers={"looks": float(looks), "allowed": float(policy.holdout_uses_max)},
            what=what,
        )
