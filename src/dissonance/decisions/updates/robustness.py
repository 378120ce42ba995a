"""Small disturbances of the inputs may not turn more answers than they did before."""

from __future__ import annotations

from dissonance.contracts.policy import Policy
from dissonance.contracts.verdicts import RuleFinding
from dissonance.decisions.updates.numbers import UpdateNumbers

STANDARD_ERRORS = 2.0


class RobustToNoise:
    """Under noise of `perturbation_spread` on every number, and with some categories missing, the share of golden
    answers that turn rises by at most `flip_rise_max`, and the accuracy lost by at most `perturbed_drop_max`, each
    beyond two standard errors of the paired difference (ADR 46)."""

    def check(self, numbers: UpdateNumbers, policy: Policy) -> RuleFinding:
        found = numbers.robustness
        if found is None:
            return RuleFinding(type(self).__name__, True, {}, "no golden row was disturbed")
        before, after = found.incumbent, found.candidate
        flips, drop = after.flips - before.flips, after.drop - before.drop
        steady = flips - STANDARD_ERRORS * found.flips_error <= policy.flip_rise_max
        accurate = drop - STANDARD_ERRORS * found.drop_error <= policy.perturbed_drop_max
        return RuleFinding(
            rule=type(self).__name__,
            holds=steady and accurate,
            numbers={
                "incumbent_flips": before.flips,
                "candidate_flips": after.flips,
                "flips_error": found.flips_error,
                "incumbent_drop": before.drop,
                "candidate_drop": after.drop,
                "drop_error": found.drop_error,
                "rows": float(found.rows),
                "draws": float(found.draws),
            },
            what=f"under noise of {policy.perturbation_spread:g} spreads, {found.draws} times on {found.rows} golden "
            f"rows, {after.flips:.4f} of the answers turn (before: {before.flips:.4f}, a rise of "
            f"{policy.flip_rise_max:g} is allowed) and {after.drop:.4f} of accuracy is lost (before: "
            f"{before.drop:.4f}, {policy.perturbed_drop_max:g} more is allowed)",
        )
