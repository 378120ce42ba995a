"""Which rows are in which slice: each category of a small category feature, each quarter of a number's reference range.

Ranges are of the schema, not of the rows at hand, so that a slice is the same from window to window.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
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
        for code, category in enumerate(values_of(feature)):
            yield Slice(feature.name, category, column == code)
    elif names := values_of(feature):
        part = np.clip(np.searchsorted(_bounds(feature), column, side="right") - 1, 0, PARTS - 1)
        for number, name in enumerate(names):
            yield Slice(feature.name, name, (part == number) & ~np.isnan(column))


def values_of(feature: Feature) -> list[str]:
    """What its slices are called, in their order; none for a number that is always the same."""
    if feature.kind is FeatureKind.CATEGORY:
        return [str(category) for category in feature.categories]
    if feature.minimum is None or feature.maximum is None or feature.minimum >= feature.maximum:
        return []
    bounds = _bounds(feature)
    return [f"{low:g}..{high:g}" for low, high in pairwise(bounds)]


def _bounds(feature: Feature) -> NDArray[np.float64]:
    return np.linspace(feature.minimum or 0.0, feature.maximum or 0.0, PARTS + 1)
