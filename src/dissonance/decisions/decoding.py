"""What a model saw, as a person reads it: the opposite of `decisions.rows.RowEncoder`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dissonance.contracts.api import Row
from dissonance.contracts.schema import FeatureKind, FeatureSchema


def decode_row(schema: FeatureSchema, features: Sequence[float]) -> Row:
    """One row of the matrix, (d,), as JSON scalars; missing is None, and so is a code that the schema has no name for.

    >>> from dissonance.contracts.schema import Feature
    >>> decode_row(FeatureSchema((Feature("age", FeatureKind.INTEGER),)), [30.0])
    {'age': 30}
    """
    row: Row = {}
    for feature, value in zip(schema.features, features, strict=True):
        if math.isnan(value):
            row[feature.name] = None
        elif feature.kind is FeatureKind.CATEGORY:
            code = int(value)
            row[feature.name] = feature.categories[code] if 0 <= code < len(feature.categories) else None
        else:
            row[feature.name] = int(value) if feature.kind is FeatureKind.INTEGER else value
    return row
