"""The slice in which a model is wrong more often than expected: where the concept, or somebody, changed the labels.

A regression tree of depth 2 on (wrong - expected error) proposes slices (cf. Chung et al. 2019, "Slice Finder"); its
best one counts when chance alone seldom gives one as good: labels are drawn anew from the expected errors and searched
in the same way (parametric bootstrap; Davison and Hinkley 1997), so that looking at many slices costs no false alarms.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit
from sklearn.tree import DecisionTreeRegressor

from dissonance.errors import InputError
from dissonance.science.arrays import Mask, Matrix, Vector

DEPTH = 2
LEAST_ROWS, LEAST_SHARE = 10, 0.04
"""Of the labels, in a slice: fewer say nothing."""
MOST_CATEGORIES = 50
"""A category of more values is not split on."""
DRAWS = 99
CERTAIN = 1e-3
"""Expected errors are cut to [CERTAIN, 1 - CERTAIN]: one surprise where none was thought possible is no slice."""
MISSING = -1e30
GRID = 24
ROUNDS = 2
"""Of moving one bound at a time to where the slice stands out most."""
STEPS = 25  # of Newton's method, each at most 1 in log-odds


class Checked(NamedTuple):
    """Labelled rows: features (n, d), whether the model was wrong (n,), the error that was expected of it (n,), in
    [0, 1], and the propensity (n,), in (0, 1], with which the label was asked for; None where all are alike."""

    features: Matrix
    wrong: Vector
    expected: Vector
    propensities: Vector | None = None

    def at(self, rows: Mask) -> Checked:
        asked = None if self.propensities is None else self.propensities[rows]
        return Checked(self.features[rows], self.wrong[rows], self.expected[rows], asked)

    @property
    def n(self) -> int:
        return len(self.wrong)


class Condition(NamedTuple):
    """`column` is above `bound`, or not; a category is its code, or not. `holds`: which of the two. `missing`: whether
    rows without a number are inside."""

    column: int
    bound: float
    is_category: bool
    holds: bool
    missing: bool = False

    def inside(self, features: Matrix) -> Mask:
        values = features[:, self.column]
        if self.is_category:
            return np.asarray((values == self.bound) == self.holds)
        return np.asarray(np.where(np.isnan(values), self.missing, (values > self.bound) == self.holds))


class ChangedSlice(NamedTuple):
    """Rows in which all `conditions` hold. `excess`: share wrong beyond what was expected, by inverse propensity;
    `p_value`: of a slice as good by chance, over all that was searched."""

    conditions: tuple[Condition, ...]
    rows: int
    excess: float
    p_value: float

    def inside(self, features: Matrix) -> Mask:
        """(n, d) to (n,)."""
        inside: Mask = np.ones(len(features), dtype=np.bool_)
        for condition in self.conditions:
            inside = inside & condition.inside(features)
        return inside


def find_changed_slice(
    rows: Checked,
    *,
    category_sizes: Sequence[int],
    level: float,
    seed: int,
    draws: int = DRAWS,
    sharpen: bool = True,
) -> ChangedSlice | None:
    """The slice that stands out most from the other rows; None when chance gives one as good with probability above
    `level`, in (0, 1), at most `draws` times in as many trials. An error that is alike everywhere is no slice.
    Without `sharpen` its bounds are a tree's, which err on the wide side, and missing numbers are below every bound."""
    if not 0.0 < level < 1.0:
        raise InputError(f"a level of {level}", where="level", fix="give a number between 0 and 1")
    columns = _Columns.of(rows.features, category_sizes)
    least = max(LEAST_ROWS, int(LEAST_SHARE * rows.n))
    if rows.n < 2 * least or not columns.origin:
        return None
    weights = np.ones(rows.n) if rows.propensities is None else 1.0 / rows.propensities
    weights = weights / weights.mean()
    search = _Search(columns.values(rows.features), weights, rows.expected, least)
    best = search.best(rows.wrong)
    if best is None:
        return None
    generator = np.random.default_rng(seed)
    expected = shifted(rows.expected, rows.wrong, weights)
    allowed, as_good = int(level * (draws + 1)) - 1, 0
    for _ in range(draws):
        by_chance = search.best((generator.random(rows.n) < expected).astype(np.float64))
        as_good += by_chance is not None and by_chance.score >= best.score
        if as_good > allowed:
            return None
    sharp = sharpen and len(columns.origin) > 1
    path = search.sharpened(rows.wrong) if sharp else best.path
    conditions = tuple(columns.condition(*cut, missing=not (sharp or cut[2])) for cut in path)
    inside = np.flatnonzero(ChangedSlice(conditions, 0, 0.0, 0.0).inside(rows.features))
    excess = float(np.average(rows.wrong[inside] - rows.expected[inside], weights=weights[inside]))
    return ChangedSlice(conditions, len(inside), excess, (1 + as_good) / (draws + 1))


def shifted(expected: Vector, wrong: Vector, weights: Vector) -> Vector:
    """Expected errors, all moved alike in log-odds, so that their mean is the share that was wrong (half a row added to
    either side). An error that is larger everywhere is the business of the estimates, not of a slice."""
    odds = logit(np.clip(expected, CERTAIN, 1.0 - CERTAIN))
    wanted = (weights @ wrong + 0.5) / (weights.sum() + 1.0)
    shift = 0.0
    for _ in range(STEPS):
        now = expit(odds + shift)
        shift += np.clip(
            (wanted - np.average(now, weights=weights)) / np.average(now * (1.0 - now), weights=weights), -1, 1
        )
    return np.asarray(expit(odds + shift))


_Cut = tuple[int, float, bool]
"""Column of the search, bound, whether above it."""


class _Best(NamedTuple):
    """`path`: from the root down."""

    score: float
    path: list[_Cut]


class _Search(NamedTuple):
    values: Matrix
    weights: Vector
    expected: Vector
    least: int

    def best(self, wrong: Vector) -> _Best | None:
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
        return _Best(float(scores[node]), _path(nodes, node))

    def sharpened(self, wrong: Vector) -> list[_Cut]:
        """The slice of two cuts that stands out most from the other rows: the best of a grid, whose bounds are then
        moved one at a time. A tree sets its first cut before it knows of the second. That there is a slice was decided
        before, by what chance finds without this."""
        expected = shifted(self.expected, wrong, self.weights)
        rest = self.weights * (wrong - expected)
        variance = self.weights**2 * expected * (1.0 - expected)
        path = self._of_grid(rest, variance)
        for _ in range(ROUNDS):
            for place in range(DEPTH):
                others = path[:place] + path[place + 1 :]
                path = [*path[:place], self._cut(rest, variance, self._inside(others)), *path[place + 1 :]]
        return path

    def _of_grid(self, rest: Vector, variance: Vector) -> list[_Cut]:
        """Both sides of up to `GRID` bounds of every column, in pairs."""
        marks = np.linspace(0.0, 1.0, GRID)
        columns = self.values.T
        bounds = [np.unique(np.quantile(column, marks, method="lower")) for column in columns]
        cells = [np.searchsorted(each, column) for each, column in zip(bounds, columns, strict=True)]
        found: list[tuple[float, list[_Cut]]] = []
        for one, other in combinations(range(len(bounds)), 2):
            shape = len(bounds[one]), len(bounds[other])
            place = cells[one] * shape[1] + cells[other]
            known = self._known(one) & self._known(other)
            tables = [
                np.bincount(place, weights=each * known, minlength=shape[0] * shape[1])
                .reshape(shape)
                .cumsum(0)
                .cumsum(1)
                for each in (rest, variance, np.ones(len(rest)))
            ]
            for sides in product((False, True), repeat=2):
                excess, spread, rows = (_side(table, *sides) for table in tables)
                scores = _standing_out(excess, spread, rows >= self.least, rest.sum(), variance.sum())
                best = np.unravel_index(int(np.argmax(scores)), shape)
                cuts = [
                    (column, float(bounds[column][cell]), side)
                    for column, cell, side in zip((one, other), best, sides, strict=True)
                ]
                found.append((float(scores[best]), cuts))
        return max(found)[1]

    def _inside(self, path: list[_Cut]) -> Mask:
        inside: Mask = np.ones(len(self.values), dtype=np.bool_)
        for column, bound, above in path:
            inside = inside & ((self.values[:, column] > bound) == above) & self._known(column)
        return inside

    def _known(self, column: int) -> Mask:
        return np.asarray(self.values[:, column] > MISSING)

    def _cut(self, rest: Vector, variance: Vector, inside: Mask) -> _Cut:
        """Of the rows `inside`, the cut whose side has the largest excess against the other rows, in standard errors;
        one that keeps them all is a cut, too."""
        found: list[tuple[float, _Cut]] = []
        for column in range(self.values.shape[1]):
            known = inside & self._known(column)
            if not known.any():
                continue
            values = self.values[known, column]
            order = np.argsort(values, kind="stable")
            ordered = values[order]
            ends = np.flatnonzero(np.append(np.diff(ordered) > 0.0, True))
            excess, spread = np.cumsum(rest[known][order])[ends], np.cumsum(variance[known][order])[ends]
            below = _standing_out(excess, spread, ends + 1 >= self.least, rest.sum(), variance.sum())
            above = _standing_out(
                excess[-1] - excess,
                spread[-1] - spread,
                len(values) - ends - 1 >= self.least,
                rest.sum(),
                variance.sum(),
            )
            bounds = ordered[ends]
            for side, scores in ((False, below), (True, above)):
                best = int(np.argmax(scores))
                found.append((float(scores[best]), (column, float(bounds[best]), side)))
        return max(found)[1]


def _side(below: Matrix, above_one: bool, above_other: bool) -> Matrix:
    """From sums over all cells up to each, sums over the cells on the given sides of each."""
    rows = below[-1:, :] - below if above_one else below
    return np.asarray(rows[:, -1:] - rows if above_other else rows)


def _standing_out(excess: Vector, spread: Vector, enough: Mask, all_excess: float, all_spread: float) -> Vector:
    """(mean excess inside − outside) in standard errors, each row counted by its variance; −inf where rows are too
    few."""
    outside = all_spread - spread
    usable = enough & (spread > 0.0)
    inner = np.divide(excess, spread, out=np.zeros_like(excess), where=usable)
    outer = np.divide(all_excess - excess, outside, out=np.zeros_like(excess), where=outside > 1e-9)
    chance = np.sqrt(
        np.divide(1.0, spread, out=np.zeros_like(excess), where=usable)
        + np.divide(1.0, outside, out=np.zeros_like(excess), where=outside > 1e-9)
    )
    return np.where(usable, (inner - outer) / np.where(chance > 0.0, chance, 1.0), -np.inf)


def _path(nodes: object, node: int) -> list[_Cut]:
    steps: list[_Cut] = []
    left, right = nodes.children_left, nodes.children_right  # type: ignore[attr-defined]
    while node:
        parent = int(np.flatnonzero((left == node) | (right == node))[0])
        steps.append((int(nodes.feature[parent]), float(nodes.threshold[parent]), bool(right[parent] == node)))  # type: ignore[attr-defined]
        node = parent
    return steps[::-1]


class _Columns(NamedTuple):
    """What the tree splits on: numbers, and one column of 0 and 1 a category. `origin`: column, and the code or -1."""

    origin: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, features: Matrix, category_sizes: Sequence[int]) -> _Columns:
        found: list[tuple[int, int]] = []
        for column, size in enumerate(category_sizes):
            if size == 0:
                found.append((column, -1))
            elif size <= MOST_CATEGORIES:
                found += [(column, code) for code in range(size)]
        return cls(tuple(found))

    def values(self, features: Matrix) -> Matrix:
        """A missing number is `MISSING`: for the tree it is below every bound, for the slice on neither side."""
        columns = [
            np.where(np.isnan(features[:, column]), -np.inf, features[:, column])
            if code < 0
            else features[:, column] == code
            for column, code in self.origin
        ]
        finite = np.clip(np.column_stack(columns).astype(np.float64), MISSING, -MISSING)
        return finite

    def condition(self, position: int, bound: float, above: bool, *, missing: bool) -> Condition:
        column, code = self.origin[position]
        return Condition(column, bound if code < 0 else float(code), code >= 0, above, missing)
