"""Fresh labels may not speak against the candidate."""

from __future__ import annotations

from dissonance.contracts.policy import Policy
from dissonance.contracts.verdicts import RuleFinding
from dissonance.decisions.updates.numbers import UpdateNumbers

STANDARD_ERRORS = 1.0


class HeldOutLossNotWorse:
    """The log loss on labelled rows that were held out does not rise by a standard error of the paired difference.

    A veto, not a proof: golden rows say how much accuracy may be lost, today's labels whether the update helps at all
    (ADR 32).
    """

    def check(self, numbers: UpdateNumbers, policy: Policy) -> RuleFinding:
        rise, error, rows = numbers.held_out_rise, numbers.held_out_error, numbers.held_out_rows
        what = (
            f"log loss on {rows} labelled rows that were held out changes by {rise:+.4f} nats; a rise by "
            f"{STANDARD_ERRORS:g} standard error ({error:.4f}) refuses"
            if rows
            else "no labelled rows were held out"
        )
        return RuleFinding(
            rule=type(self).__name__,
            holds=rise <= 0.0 or rise < STANDARD_ERRORS * error,
            numbers={"rise": rise, "rise_error": error, "rows": float(rows)},
            what=what,
        )
