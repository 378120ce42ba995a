"""All that a verdict on an update rests on: kept with it, so that it can be replayed to the same verdict."""

from __future__ import annotations

from typing import Protocol

import msgspec

from dissonance.contracts.policy import Policy
from dissonance.contracts.verdicts import RuleFinding

WINDOW_INPUTS, REFERENCE_INPUTS = "window", "reference"
"""What KL is measured on: inputs of the last mature window, or reference rows while there is none."""


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


class Unsteadiness(msgspec.Struct, frozen=True):
    """One model under noise on golden rows: the share of its answers that turn, and the accuracy it loses."""

    flips: float
    drop: float


class Robustness(msgspec.Struct, frozen=True):
    """Both models under the same noise, `draws` times on `rows` golden rows; the errors are standard errors of the
    paired differences, candidate less incumbent."""

    rows: int
    draws: int
    incumbent: Unsteadiness
    candidate: Unsteadiness
    flips_error: float
    drop_error: float


class Cost(msgspec.Struct, frozen=True):
    """`*_us`: microseconds a row, in turns on the same rows; `*_bytes`: files of proposer and critic."""

    incumbent_us: float
    candidate_us: float
    incumbent_bytes: int
    candidate_bytes: int


class Identity(msgspec.Struct, frozen=True):
    """Whether the candidate's signature verifies, and whether feature schema and class order are the task's. `refusal`:
    what it was refused for when it was opened, or asked; empty when it was not."""

    signed: bool = True
    schema: bool = True
    classes: bool = True
    refusal: str = ""

    @property
    def holds(self) -> bool:
        return self.signed and self.schema and self.classes and not self.refusal


class GroupGaps(msgspec.Struct, frozen=True):
    """Between the groups of a sensitive column, each model's largest difference of the share that gets a class
    (demographic parity) and of the same among those of one true class (equalised odds), in [0, 1]. `groups`: how many
    were large enough to compare; the gaps are 0 below two."""

    column: str
    groups: int
    incumbent_parity: float = 0.0
    candidate_parity: float = 0.0
    incumbent_odds: float = 0.0
    candidate_odds: float = 0.0


class UpdateNumbers(msgspec.Struct, frozen=True, kw_only=True):
    """`holdout_uses`: earlier judgements that looked at the golden holdout. Calibration errors in [0, 1], of the
    answers' own confidence. `kl`: mean KL(incumbent ‖ candidate) in nats over `window_rows` inputs, `kl_error` its
    standard error. `held_out_rise`: of the mean log loss, in nats, from incumbent to candidate on `held_out_rows`
    labelled rows that taught neither, `held_out_error` its standard error. `fairness`: one for each sensitive column
    that the schema has, `not_in_schema` the others. `golden_form`: see `GoldenNonInferiority`. `kl_inputs`:
    `WINDOW_INPUTS` or `REFERENCE_INPUTS`. What has a default, verdicts from before did not have."""

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
    robustness: Robustness | None = None
    cost: Cost | None = None
    identity: Identity = Identity()
    fairness: tuple[GroupGaps, ...] = ()
    not_in_schema: tuple[str, ...] = ()
    golden_form: int = 1
    kl_inputs: str = ""

    @classmethod
    def of_refused(cls, identity: Identity, holdout_uses: int) -> UpdateNumbers:
        """Of a candidate that may not be opened, or gives no answer, so that nothing else is known of it."""
        return cls(
            golden=Change(0, 0, 0, 0, 0),
            holdout_uses=holdout_uses,
            incumbent_calibration_error=0.0,
            candidate_calibration_error=0.0,
            kl=0.0,
            kl_error=0.0,
            window_rows=0,
            slices=(),
            identity=identity,
        )


class UpdateRule(Protocol):
    def check(self, numbers: UpdateNumbers, policy: Policy) -> RuleFinding:
        """Whether the candidate may go live for all that this rule knows."""
        ...
