"""A window by slices. Pure."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dissonance.contracts.schema import FeatureSchema
from dissonance.contracts.windows import SliceFigures
from dissonance.decisions.slices import Slice, slices_of

Vector = NDArray[np.float64]


class SliceRows(NamedTuple):
    """n rows: `features` (n, d); `confidences`, `dissonances` (n,); `right` (n,): 1, 0, NaN without a label."""

    features: Vector
    confidences: Vector
    dissonances: Vector
    right: Vector


def slice_figures(schema: FeatureSchema, rows: SliceRows, rows_min: int) -> tuple[SliceFigures, ...]:
    """Every slice of at least `rows_min` rows, in the order of the schema."""
    return tuple(_figures(each, rows) for each in slices_of(schema, rows.features, rows_min))


def _figures(each: Slice, rows: SliceRows) -> SliceFigures:
    right = rows.right[each.inside]
    labelled = int((~np.isnan(right)).sum())
    return SliceFigures(
        feature=each.feature,
        value=each.value,
        rows=int(each.inside.sum()),
        labelled=labelled,
        estimated_accuracy=float(rows.confidences[each.inside].mean()),
        realised_accuracy=float(np.nanmean(right)) if labelled else None,
        mean_dissonance=float(rows.dissonances[each.inside].mean()),
    )
