"""The golden check."""

from __future__ import annotations

import pytest

from dissonance.decisions.golden import GoldenNonInferiority, GoldenNumbers
from dissonance.errors import GateRefused

GATE = GoldenNonInferiority(golden_drop_max=0.015)


def numbers(incumbent: float, candidate: float) -> GoldenNumbers:
    return GoldenNumbers(incumbent_accuracy=incumbent, candidate_accuracy=candidate, rows=1000)


@pytest.mark.parametrize("candidate", [0.95, 0.80, 0.79, 0.785])
def test_gate_lets_pass_what_is_better_or_worse_by_no_more_than_allowed(candidate: float) -> None:
    GATE.check(numbers(0.80, candidate))


@pytest.mark.parametrize("candidate", [0.784, 0.5, 0.0])
def test_gate_refuses_a_larger_drop_and_names_the_numbers(candidate: float) -> None:
    with pytest.raises(GateRefused) as caught:
        GATE.check(numbers(0.80, candidate))
    for number in ("1000", "0.8000", f"{candidate:.4f}", "0.0150"):
        assert number in caught.value.what


def test_gate_that_allows_no_drop_lets_an_equal_model_pass() -> None:
    GoldenNonInferiority(0.0).check(numbers(1 / 3, 1 / 3))
