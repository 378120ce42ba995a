"""All that a verdict on an update rests on: kept with it, so that it can be replayed to the same verdict."""

from __future__ import annotations

from typing import Protocol

import msgspec

from dissonance.contracts.policy import Policy
from dissonance.contracts.verdicts import RuleFinding


class Change(msgspec.Struct, frozen=True):
    """Both models on the same labelled rows: how many each answered right; `gained` turned right, `lost` turned
    wrong."""

    rows: int
    incumbent_right: int
    candidate_right: int
    gained: int
    lost: int

    @property
    def drop(self) -> float:
        """Of the accuracy, from incumbent to candidate, in [-1, 1]; 0 without rows."""
        return (self.lost - self.gained) / self.rows if self.rows else 0.0


class SliceChange(msgspec.Struct, frozen=True):
    feature: str
    value: str
    change: Change


class UpdateNumbers(msgspec.Struct, frozen=True, kw_only=True):
    """`holdout_uses`: earlier judgements that looked at the golden holdout. Calibration errors in [0, 1], of the
    answers' own confidence. `kl`: mean KL(incumbent ‖ candidate) in nats over `window_rows` inputs, `kl_error` its
    standard error. `held_out_rise`: of the mean log loss, in nats, from incumbent to candidate on `held_out_rows`
    labelled rows that taught neither, `held_out_error` its standard error; verdicts from before had none."""

    golden: Change
    holdout_uses: int
    incumbent_calibration_error: float
    candidate_calibration_error: float
    kl: float
    kl_error: float
    window_rows: int
    slices: tuple[SliceChange, ...]
    held_out_rise: float = 0.0
    held_out_error: float = 0.0
    held_out_rows: int = 0


class UpdateRule(Protocol):
    def check(self, numbers: UpdateNumbers, policy: Policy) -> RuleFinding:
        """Whether the candidate may go live for all that this rule knows."""
        ...
