"""What can be told of a model without a row of a person: scores on golden rows, by slice, and where it errs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dissonance.contracts.policy import Policy
from dissonance.contracts.schema import FeatureSchema
from dissonance.decisions.slices import slices_of
from dissonance.pipeline.training import LabelledRows
from dissonance.science.metrics import Reliability, confusion_matrix, reliability
from dissonance.science.proportions import Interval, wilson_interval


class SliceScore(NamedTuple):
    """`accuracy` with its 95 % interval."""

    feature: str
    value: str
    rows: int
    accuracy: Interval


class Description(NamedTuple):
    """On golden rows. `confusion` (k, k): rows by true class and answer. `policy`: in force when the model was made."""

    slices: tuple[SliceScore, ...]
    reliability: Reliability
    confusion: NDArray[np.int64]
    policy: Policy


def describe(schema: FeatureSchema, proposer: Any, golden: LabelledRows, policy: Policy) -> Description:
    """`proposer` has `probabilities`. Slices below `slice_rows_min` rows are not told."""
    p = proposer.probabilities(golden.features)
    right = p.argmax(axis=1) == golden.classes
    slices = tuple(
        SliceScore(
            each.feature,
            each.value,
            int(each.inside.sum()),
            wilson_interval(int(right[each.inside].sum()), int(each.inside.sum())),
        )
        for each in slices_of(schema, golden.features, policy.slice_rows_min)
    )
    return Description(
        slices, reliability(p.max(axis=1), right.astype(np.float64)), confusion_matrix(p, golden.classes), policy
    )
