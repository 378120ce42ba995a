"""What is estimated of a window that is over, before its labels come: how accurate the model is, or nothing.

Names of features and slices, shares and figures of the whole window only: nothing here is of one row (ADR 34).
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class EstimateVerdict(StrEnum):
    """`CANNOT_TELL`: the window is too unlike the labelled reference for any number."""

    TOLD = "told"
    CANNOT_TELL = "cannot_tell"


class CarriedByFeature(msgspec.Struct, frozen=True):
    """`carried`: of the estimated drop, in accuracy."""

    feature: str
    carried: float


class CarriedBySlice(msgspec.Struct, frozen=True):
    """Rows in which `feature` is `value`: a category, a range `low..high`, or `missing`. Shares of rows in [0, 1]."""

    feature: str
    value: str
    reference_share: float
    window_share: float
    carried: float


class WindowEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """Of the model with `model_digest`, which answered most of the window, on the newest `rows` of its rows.

    It rests on `reference_rows` labelled rows that the model did not learn from; `reference_accuracy` was seen on those
    of them that were set aside when the task was made. `auc`: how well
    window and reference can be told apart, 0.5 alike, 1 apart; `effective_share`: of the reference, how much counts
    for such a window. Where the verdict is `CANNOT_TELL`, the figures that follow are None, and `separating` names
    the features that alone tell the two apart.

    `accuracy` with its interval `low`, `high` at 95 % and the `bound` it is not below at 95 %, all in [0, 1]; log loss
    in nats; `roc_auc` with two classes only; `f1` is the mean over classes. `p_value`: of the test that the accuracy
    did not fall by more than `harm_margin`. Where it fell, `features` and `slices` carry most of the drop, most first.
    """

    verdict: EstimateVerdict
    model_digest: str
    rows: int
    reference_rows: int
    reference_accuracy: float
    auc: float
    effective_share: float
    harm_margin: float
    separating: tuple[str, ...] = ()
    accuracy: float | None = None
    low: float | None = None
    high: float | None = None
    bound: float | None = None
    log_loss: float | None = None
    brier_score: float | None = None
    roc_auc: float | None = None
    f1: float | None = None
    p_value: float | None = None
    features: tuple[CarriedByFeature, ...] = ()
    slices: tuple[CarriedBySlice, ...] = ()
