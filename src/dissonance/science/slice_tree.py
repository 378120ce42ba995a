"""A regression tree of depth 2 on (wrong - expected error) proposes slices (cf. Chung et al. 2019, "Slice Finder")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sklearn.tree import DecisionTreeRegressor

from dissonance.science.arrays import Matrix, Vector
from dissonance.science.slices import MOST_CATEGORIES, Checked, Condition, shifted

DEPTH = 2
MISSING = -1e30

Cut = tuple[int, float, bool]
"""Column of the search, bound, whether above it."""


class Best(NamedTuple):
    """`score`: the excess of errors in standard errors. `path`: from the root down."""

    score: float
    path: list[Cut]


class Tree(NamedTuple):
    columns: Columns
    values: Matrix
    weights: Vector
    expected: Vector
    least: int

    @classmethod
    def of(cls, rows: Checked, columns: Columns) -> Tree:
        return cls(columns, columns.values(rows.features), rows.weights, rows.expected, rows.least)

    def best(self, wrong: Vector) -> Best | None:
        """The node, the root apart, whose excess is the largest in standard errors."""
        expected = shifted(self.expected, wrong, self.weights)
        rest = wrong - expected
        tree = DecisionTreeRegressor(max_depth=DEPTH, min_samples_leaf=self.least, random_state=0)
        tree.fit(self.values, rest, sample_weight=self.weights)
        nodes = tree.tree_
        if nodes.node_count == 1:
            return None
        paths = np.asarray(tree.decision_path(self.values).todense(), dtype=np.float64)
        variance = self.weights**2 * expected * (1.0 - expected)
        scores = (self.weights * rest) @ paths / np.sqrt(variance @ paths)
        scores[0] = -np.inf
        node = int(np.argmax(scores))
        return Best(float(scores[node]), _path(nodes, node))

    def score(self, wrong: Vector) -> float:
        best = self.best(wrong)
        return -np.inf if best is None else best.score

    def conditions(self, best: Best) -> tuple[Condition, ...]:
        return tuple(self.columns.condition(*cut) for cut in best.path)


def _path(nodes: object, node: int) -> list[Cut]:
    steps: list[Cut] = []
    left, right = nodes.children_left, nodes.children_right  # type: ignore[attr-defined]
    while node:
        parent = int(np.flatnonzero((left == node) | (right == node))[0])
        steps.append((int(nodes.feature[parent]), float(nodes.threshold[parent]), bool(right[parent] == node)))  # type: ignore[attr-defined]
        node = parent
    return steps[::-1]


class Columns(NamedTuple):
    """What the tree splits on: numbers, and one column of 0 and 1 a category. `origin`: column, and the code or -1."""

    origin: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, category_sizes: Sequence[int]) -> Columns:
        found: list[tuple[int, int]] = []
        for column, size in enumerate(category_sizes):
            if size == 0:
                found.append((column, -1))
            elif size <= MOST_CATEGORIES:
                found += [(column, code) for code in range(size)]
        return cls(tuple(found))

    def values(self, features: Matrix) -> Matrix:
        """A missing number is `MISSING`, below every bound."""
        columns = [
            np.where(np.isnan(features[:, column]), -np.inf, features[:, column])
            if code < 0
            else features[:, column] == code
            for column, code in self.origin
        ]
        finite = np.clip(np.column_stack(columns).astype(np.float64), MISSING, -MISSING)
        return finite

    def condition(self, position: int, bound: float, above: bool) -> Condition:
        column, code = self.origin[position]
        return Condition(column, bound if code < 0 else float(code), code >= 0, above, missing=not above)
