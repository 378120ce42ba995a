"""How much weight the dissonance penalty gets: above zero only while it pays on data held out for that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dissonance.contracts.policy import Policy

GAIN, ERROR = "penalty_gain", "penalty_gain_error"
"""Numbers of `CandidateRegistered`: held-out log loss without the penalty less that with `lambda_max`, in nats, and the
standard error of that."""


class Weight(NamedTuple):
    """`value` in [0, `lambda_max`], and one sentence with the numbers it rests on."""

    value: float
    reason: str


def weight(numbers: Mapping[str, float], policy: Policy) -> Weight:
    """`lambda_max` when the gain is more than its standard error above zero, else 0; 0 too when nothing was measured.

    >>> weight({"penalty_gain": 0.004, "penalty_gain_error": 0.001}, Policy()).value
    0.05
    """
    if GAIN not in numbers or ERROR not in numbers:
        return Weight(0.0, "the update held no data out to measure what the penalty gains")
    gain, error = numbers[GAIN], numbers[ERROR]
    measured = f"the penalty changed the held-out log loss by {-gain:+.5f} nats, standard error {error:.5f}"
    if gain > error:
        return Weight(policy.lambda_max, f"{measured}: it pays")
    return Weight(0.0, f"{measured}: it does not pay")
