"""Which rows are in which slice: each category of a small category feature, each quarter of a number's reference range.

Ranges are of the schema, not of the rows at hand, so that a slice is the same from window to window.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dissonance.contracts.schema import Feature, FeatureKind, FeatureSchema

MOST_CATEGORIES = 12
PARTS = 4


class Slice(NamedTuple):
    """`inside` (n,): the rows in which `feature` is `value` (a category, or a range written `low..high`)."""

    feature: str
    value: str
    inside: NDArray[np.bool_]


def slices_of(schema: FeatureSchema, features: NDArray[np.float64], rows_min: int) -> Iterator[Slice]:
    """Every slice of (n, d) with at least `rows_min` rows, in the order of the schema."""
    for position, feature in enumerate(schema.features):
        if len(feature.categories) <= MOST_CATEGORIES:
            yield from parts_of(feature, features[:, position], rows_min)


def parts_of(feature: Feature, column: NDArray[np.float64], rows_min: int) -> Iterator[Slice]:
    """Every slice of one column (n,) with at least `rows_min` rows."""
    return (each for each in _parts(feature, column) if int(each.inside.sum()) >= rows_min)


def _parts(feature: Feature, column: NDArray[np.float64]) -> Iterator[Slice]:
    if feature.kind is FeatureKind.CATEGORY:
        for code, category in enumerate(feature.categories):
            yield Slice(feature.name, str(category), column == code)
    elif feature.minimum is not None and feature.maximum is not None and feature.minimum < feature.maximum:
        bounds = np.linspace(feature.minimum, feature.maximum, PARTS + 1)
        part = np.clip(np.searchsorted(bounds, column, side="right") - 1, 0, PARTS - 1)
        for number in range(PARTS):
            inside = (part == number) & ~np.isnan(column)
            yield Slice(feature.name, f"{bounds[number]:g}..{bounds[number + 1]:g}", inside)
