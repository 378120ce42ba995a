"""The candidate must stay near the incumbent on today's traffic."""

from __future__ import annotations

from dissonance.contracts.policy import Policy
from dissonance.contracts.verdicts import RuleFinding
from dissonance.decisions.updates.numbers import REFERENCE_INPUTS, UpdateNumbers

STANDARD_ERRORS = 2.0


class KLBound:
    """Mean KL(old ‖ new) is within `KL_eps`, up to two standard errors: an update goes to the very bound on the window
    it was made on, and another may have closed since (ADR 27). A verdict that does not say which inputs it was made on
    keeps its words."""

    def check(self, numbers: UpdateNumbers, policy: Policy) -> RuleFinding:
        inputs = "inputs of the last window"
        if numbers.kl_inputs == REFERENCE_INPUTS:
            inputs = "reference rows, since no window has enough inputs yet"
        least = numbers.kl - STANDARD_ERRORS * numbers.kl_error
        return RuleFinding(
            rule=type(self).__name__,
            holds=least <= policy.KL_eps + 1e-9,
            numbers={
                "kl": numbers.kl,
                "kl_error": numbers.kl_error,
                "bound": policy.KL_eps,
                "rows": float(numbers.window_rows),
            },
            what=f"mean KL from the incumbent is {numbers.kl:.4f} nats (standard error {numbers.kl_error:.4f}) on "
            f"{numbers.window_rows} {inputs}; the policy allows {policy.KL_eps:g}",
        )
