"""The weight of the dissonance penalty follows what it was measured to gain."""

from __future__ import annotations

import pytest

from dissonance.contracts.policy import Policy
from dissonance.roles.meta.decide import weight

POLICY = Policy(lambda_max=0.03)


@pytest.mark.parametrize(
    ("gain", "error", "value"), [(0.002, 0.001, 0.03), (0.001, 0.001, 0.0), (-0.01, 0.001, 0.0), (0.0, 0.0, 0.0)]
)
def test_weight_is_above_zero_only_while_it_pays(gain: float, error: float, value: float) -> None:
    decided = weight({"penalty_gain": gain, "penalty_gain_error": error}, POLICY)

    assert decided.value == value and f"{-gain:+.5f}" in decided.reason


def test_what_was_not_measured_gets_no_weight() -> None:
    assert weight({}, POLICY).value == 0.0
