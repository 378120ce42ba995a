"""A candidate may not make callers wait much longer."""

from __future__ import annotations

from dissonance.contracts.policy import Policy
from dissonance.contracts.verdicts import RuleFinding
from dissonance.decisions.updates.numbers import UpdateNumbers


class LatencyWithin:
    """A row takes the candidate at most `latency_ratio_max` times what it takes the incumbent, measured in turns in one
    run on one machine. The ratio bounds one update; what many may add up to is bounded by `SizeWithin`."""

    def check(self, numbers: UpdateNumbers, policy: Policy) -> RuleFinding:
        cost = numbers.cost
        if cost is None:
            return RuleFinding(type(self).__name__, True, {}, "no time was measured")
        ratio = cost.candidate_us / cost.incumbent_us
        return RuleFinding(
            rule=type(self).__name__,
            holds=ratio <= policy.latency_ratio_max,
            numbers={"incumbent_us": cost.incumbent_us, "candidate_us": cost.candidate_us, "ratio": ratio},
            what=f"a row takes {cost.candidate_us:.2f} µs, {ratio:.2f} times the {cost.incumbent_us:.2f} µs of the "
            f"incumbent; the policy allows {policy.latency_ratio_max:g} times",
        )
