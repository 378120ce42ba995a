"""What is stated of a window, as it is stored and as it is told over HTTP."""

from __future__ import annotations

import msgspec

from dissonance.contracts.estimates import WindowEstimate


class SliceFigures(msgspec.Struct, frozen=True):
    """One slice of a window: the rows in which `feature` is `value` (a category, or a range written `low..high`).

    Shares in [0, 1]; None while no label came. Slices of fewer rows than `Policy.slice_rows_min` are not stated.
    """

    feature: str
    value: str
    rows: int
    labelled: int
    estimated_accuracy: float
    realised_accuracy: float | None
    mean_dissonance: float


class Stated(msgspec.Struct, frozen=True, kw_only=True):
    """`mean_doubt`, `mean_dissonance`, `share_over_target`, `estimated_accuracy`, `realised_accuracy` are in [0, 1];
    `realised_accuracy` is None while no label came. `estimated_error`: standard error of the critic's mean belief c. Of
    `random_checked` labelled rows of the random check `random_right` were answered right. `mean_label_delay_s`: from
    event time to label. `estimate`: what was estimated of it when it was over."""

    window_id: str
    revision: int  # counts up with every restatement
    rows: int
    labelled: int
    mean_doubt: float
    mean_dissonance: float
    share_over_target: float
    estimated_accuracy: float
    realised_accuracy: float | None
    closed: bool  # the watermark has passed its end
    estimated_error: float = 0.0
    random_checked: int = 0
    random_right: int = 0
    mean_label_delay_s: float | None = None
    estimate: WindowEstimate | None = None
