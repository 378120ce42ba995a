"""May an update go live? Its accuracy on the golden holdout must not be below the incumbent's by more than allowed."""

from __future__ import annotations

from typing import NamedTuple

from dissonance.errors import GateRefused


class GoldenNumbers(NamedTuple):
    """Accuracies in [0, 1] of both models on the same golden rows, of which there is one at least."""

    incumbent_accuracy: float
    candidate_accuracy: float
    rows: int


class GoldenNonInferiority:
    """Non-inferiority by a margin (`Policy.golden_drop_max`, accuracy, 0 to 1).

    >>> GoldenNonInferiority(0.015).check(GoldenNumbers(0.80, 0.79, 1000))
    """

    def __init__(self, golden_drop_max: float) -> None:
        self.golden_drop_max = golden_drop_max

    def check(self, numbers: GoldenNumbers) -> None:
        """Raises `GateRefused` with the numbers."""
        drop = numbers.incumbent_accuracy - numbers.candidate_accuracy
        # Accuracies are shares of whole rows: half a row is more than any rounding error, and less than any drop.
        if drop > self.golden_drop_max + 0.5e-6:
            raise GateRefused(
                f"accuracy on {numbers.rows} golden rows would fall by {drop:.4f}, from "
                f"{numbers.incumbent_accuracy:.4f} to {numbers.candidate_accuracy:.4f}; "
                f"the policy allows {self.golden_drop_max:.4f}",
                where="policy.golden_drop_max",
                fix="keep the model in production, or retrain with more labels",
            )
