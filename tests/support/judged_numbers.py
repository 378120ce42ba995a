"""Numbers that an update is judged by."""

from __future__ import annotations

from typing import Any

import msgspec

from dissonance.decisions.updates.golden import BOUND_NAMED
from dissonance.decisions.updates.numbers import Change, Robustness, Unsteadiness, UpdateNumbers


def change(drop: int = 0, rows: int = 10_000, *, moved: int = 0) -> Change:
    """`drop` rows more were lost than gained; `moved` more were lost, and as many gained."""
    right = rows * 8 // 10
    return Change(rows, right, right - drop, gained=moved, lost=moved + drop)


def robustness(flips: float = 0.0, drop: float = 0.0, error: float = 0.001) -> Robustness:
    """`flips` more answers turn than before, `drop` more accuracy is lost."""
    return Robustness(2_000, 3, Unsteadiness(0.1, 0.05), Unsteadiness(0.1 + flips, 0.05 + drop), error, error)


def numbers(**changes: Any) -> UpdateNumbers:
    """Of an update that every rule lets through, unless changed."""
    usual = UpdateNumbers(
        golden=change(),
        holdout_uses=0,
        incumbent_calibration_error=0.02,
        candidate_calibration_error=0.02,
        kl=0.01,
        kl_error=0.0,
        window_rows=1_000,
        slices=(),
        golden_form=BOUND_NAMED,
    )
    return msgspec.structs.replace(usual, **changes)
