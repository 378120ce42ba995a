"""What the candidate says of itself must be as true as what the incumbent said."""

from __future__ import annotations

from dissonance.contracts.policy import Policy
from dissonance.contracts.verdicts import RuleFinding
from dissonance.decisions.updates.numbers import UpdateNumbers


class CalibrationNotWorse:
    """The expected calibration error on the golden holdout rises by at most `calibration_rise_max`."""

    def check(self, numbers: UpdateNumbers, policy: Policy) -> RuleFinding:
        before, after = numbers.incumbent_calibration_error, numbers.candidate_calibration_error
        return RuleFinding(
            rule=type(self).__name__,
            holds=after - before <= policy.calibration_rise_max,
            numbers={"incumbent": before, "candidate": after, "rise": after - before},
            what=f"expected calibration error goes from {before:.4f} to {after:.4f}; the policy allows a rise of "
            f"{policy.calibration_rise_max:g}",
        )
