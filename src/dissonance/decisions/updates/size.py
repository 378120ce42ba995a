"""A candidate must fit where it is loaded."""

from __future__ import annotations

from dissonance.contracts.policy import Policy
from dissonance.contracts.verdicts import RuleFinding
from dissonance.decisions.updates.numbers import UpdateNumbers


class SizeWithin:
    """The files of proposer and critic have at most `model_bytes_max` bytes together."""

    def check(self, numbers: UpdateNumbers, policy: Policy) -> RuleFinding:
        cost = numbers.cost
        if cost is None:
            return RuleFinding(type(self).__name__, True, {}, "no file was measured")
        return RuleFinding(
            rule=type(self).__name__,
            holds=cost.candidate_bytes <= policy.model_bytes_max,
            numbers={"incumbent_bytes": float(cost.incumbent_bytes), "candidate_bytes": float(cost.candidate_bytes)},
            what=f"proposer and critic have {cost.candidate_bytes} bytes (before: {cost.incumbent_bytes}); the policy "
            f"allows {policy.model_bytes_max}",
        )
