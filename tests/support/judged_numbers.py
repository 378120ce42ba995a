"""Numbers that an update is judged by."""

from __future__ import annotations

from typing import Any

import msgspec

from dissonance.decisions.updates.numbers import Change, UpdateNumbers


def change(drop: int = 0, rows: int = 10_000, *, moved: int = 0) -> Change:
    """`drop` rows more were lost than gained; `moved` more were lost, and as many gained."""
    right = rows * 8 // 10
    return Change(rows, right, right - drop, gained=moved, lost=moved + drop)


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
    )
    return msgspec.structs.replace(usual, **changes)
