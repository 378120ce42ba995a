"""How far estimates were off on real shifts: what an interval and a bound are calibrated with.

The table is made by `make bench-calibrate` on the shifts of the science benchmark, and says so itself. An error is
divided by a scale that the window tells without labels; quantiles of that are taken over shifts, each shift as heavy
(conformal prediction with normalised scores: Papadopoulos et al. 2002; over tasks instead of rows: Fisch et al. 2021).
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from math import sqrt
from typing import NamedTuple

import msgspec


class Calibration(msgspec.Struct, frozen=True):
    """`drop_weight`, `overlap_weight`: what an estimated drop, and an AUC above 0.5, add to the scale. `both`: the
    0.95 quantile of |estimate − truth| over the scale; `over`: that of estimate − truth."""

    drop_weight: float
    overlap_weight: float
    both: float
    over: float


class ShiftTable(msgspec.Struct, frozen=True):
    """`calibration`: from all shifts. `left_out`: for each data set, from the shifts of the others only.
    `provenance`: by what command, on what, when."""

    calibration: Calibration
    left_out: dict[str, Calibration]
    provenance: dict[str, str | int | float]


class Uncertainty(NamedTuple):
    """What a window tells of its estimate. `window_variance`: of the window's accuracy around its mean, Σc(1−c)/n²;
    `reference_variance`: of the weighted reference; `drop`: of accuracy, estimated; `auc`: window against reference."""

    window_variance: float
    reference_variance: float
    drop: float
    auc: float

    def scale(self, drop_weight: float, overlap_weight: float) -> float:
        """In accuracy, above 0 unless all is certain."""
        by_drop, by_overlap = drop_weight * self.drop, overlap_weight * max(0.0, self.auc - 0.5)
        return sqrt(self.window_variance + self.reference_variance + by_drop**2 + by_overlap**2)


@cache
def shipped_table() -> ShiftTable:
    """The table that comes with the package."""
    return msgspec.json.decode(files(__package__).joinpath("shift_table.json").read_bytes(), type=ShiftTable)
