"""The science on data frames: how good is this classifier on today's rows, before any label? No engine is needed.

    watch = Watch.fit(reference, label="y", probabilities=model.predict_proba(reference[inputs]),
    classes=model.classes_) found = watch.judge(today, model.predict_proba(today[inputs]))
    print(found.accuracy, found.low, found.high, found.bound, found.harm.p_value)
    print(watch.explain(today, found))

A text, truth value or pandas category is a category, other columns are numbers; what is empty is missing, and so is
a category that the reference does not have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dissonance.errors import InputError
from dissonance.science.arrays import Classes, Matrix
from dissonance.science.explanation import Believed, SliceHarm, explain_harm
from dissonance.science.sceptic import Labelled
from dissonance.science.window_accuracy import (
    CannotTell,
    Reference,
    WindowAccuracy,
    fit_reference,
    window_accuracy,
)

ROUNDING = 1e-3
"""By how much the probabilities of a row may miss a sum of 1."""


@dataclass(frozen=True)
class Encoding:
    """Columns in order; of a category its values by code, of a number None."""

    names: tuple[str, ...]
    values: tuple[tuple[Any, ...] | None, ...]

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Encoding:
        values = []
        for name in frame.columns:
            column = frame[name]
            if pd.api.types.is_datetime64_any_dtype(column.dtype) or pd.api.types.is_timedelta64_dtype(column.dtype):
                raise InputError(
                    "a column of times is no input", where=str(name), fix="leave it out, or make a number of it"
                )
            values.append(None if _is_number(column) else tuple(sorted(column.dropna().unique(), key=str)))
        return cls(tuple(map(str, frame.columns)), tuple(values))

    @property
    def category_sizes(self) -> tuple[int, ...]:
        """By column, 0 for a number; a category that has no value yet has one place."""
        return tuple(0 if values is None else max(1, len(values)) for values in self.values)

    def encoded(self, frame: pd.DataFrame) -> Matrix:
        """(n, d); raises `InputError` when a column is not there, or a number's column holds something else."""
        missing = [name for name in self.names if name not in frame.columns]
        if missing:
            raise InputError("a column of the reference is not there", where=", ".join(missing), fix="give it too")
        return np.column_stack(
            [self._column(frame[name], values) for name, values in zip(self.names, self.values, strict=True)]
        )

    def _column(self, column: pd.Series[Any], values: tuple[Any, ...] | None) -> Matrix:
        if values is not None:
            codes = _places(column, values).astype(np.float64)
            return np.asarray(np.where(codes < 0, np.nan, codes))
        if not (_is_number(column) or column.isna().all()):
            raise InputError("a column of numbers holds something else now", where=str(column.name), fix="give numbers")
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return np.asarray(np.where(np.isfinite(numbers), numbers, np.nan))


@dataclass(frozen=True)
class Watch:
    """A classifier's labelled reference, fitted once. It holds rows: keep it where you keep those."""

    encoding: Encoding
    reference: Reference
    margin: float

    @classmethod
    def fit(
        cls,
        reference: pd.DataFrame,
        *,
        label: str,
        probabilities: Any,
        classes: Sequence[Any],
        margin: float = 0.01,
        seed: int = 0,
    ) -> Watch:
        """`reference`: rows that the classifier was not fitted on, all columns but `label` inputs; `probabilities`
        (n, k), its answers, in the order of `classes` (`model.classes_`). Raises `InputError`."""
        if label not in reference.columns:
            raise InputError("the label's column is not there", where=label, fix="name the column of labels")
        inputs = reference.drop(columns=label)
        encoding = Encoding.of(inputs)
        p = _distribution(probabilities, len(reference), len(classes))
        rows = Labelled(encoding.encoded(inputs), p, _class_indices(reference[label], classes))
        return cls(encoding, fit_reference(rows, category_sizes=encoding.category_sizes, seed=seed), margin)

    def judge(
        self, window: pd.DataFrame, probabilities: Any, *, ignore: Sequence[str] = ()
    ) -> WindowAccuracy | CannotTell:
        """`ignore`: columns that neither the classifier nor its errors depend on. Raises `InputError`."""
        unknown = [name for name in ignore if name not in self.encoding.names]
        if unknown:
            raise InputError("there is no such column to ignore", where=", ".join(unknown), fix="name an input")
        p = _distribution(probabilities, len(window), self.reference.rows.p.shape[1])
        columns = [self.encoding.names.index(name) for name in ignore]
        return window_accuracy(self.reference, self.encoding.encoded(window), p, margin=self.margin, ignore=columns)

    def explain(self, window: pd.DataFrame, found: WindowAccuracy) -> pd.DataFrame:
        """Slices of single columns, those of the column that carries most of the estimated drop first: `column`,
        `rows`, shares and mean beliefs on either side, `carried` (in accuracy), `column_carried` (Shapley values)."""
        told = explain_harm(
            Believed(self.reference.rows.features, self.reference.beliefs),
            Believed(self.encoding.encoded(window), found.beliefs),
            category_sizes=self.encoding.category_sizes,
            seed=self.reference.seed,
        )
        by_column = {each.column: each.carried for each in told.features}
        return pd.DataFrame(
            {
                "column": self.encoding.names[each.column],
                "rows": self._described(each),
                "reference_share": each.reference_share,
                "window_share": each.window_share,
                "reference_belief": each.reference_belief,
                "window_belief": each.window_belief,
                "carried": each.carried,
                "column_carried": by_column[each.column],
            }
            for each in told.slices
        )

    def separating(self, found: CannotTell) -> tuple[str, ...]:
        """Names of the columns that tell window and reference apart."""
        return tuple(self.encoding.names[column] for column in found.columns)

    def _described(self, part: SliceHarm) -> str:
        if part.code is not None:
            values = self.encoding.values[part.column]
            return str(values[part.code]) if values else "missing"
        return "missing" if part.low is None or part.high is None else f"{part.low:g} to {part.high:g}"


def _is_number(column: pd.Series[Any]) -> bool:
    return pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)


def _places(column: pd.Series[Any], values: Sequence[Any]) -> Classes:
    """Of each row's value among `values`; -1 where it is missing or another."""
    return np.asarray(pd.Index(list(values), dtype=object).get_indexer(column.astype(object)), dtype=np.int64)


def _class_indices(labels: pd.Series[Any], classes: Sequence[Any]) -> Classes:
    codes = _places(labels, classes)
    if (codes < 0).any():
        raise InputError(
            f"{int((codes < 0).sum())} labels are none of the classes", where=str(labels.name), fix="drop those rows"
        )
    return np.asarray(codes)


def _distribution(probabilities: Any, rows: int, classes: int) -> Matrix:
    p = np.asarray(probabilities, dtype=np.float64)
    if p.shape != (rows, classes):
        raise InputError(
            f"probabilities are {p.shape}, not ({rows}, {classes})",
            where="probabilities",
            fix="give predict_proba of these rows",
        )
    if not np.isfinite(p).all() or (p < 0.0).any() or (np.abs(p.sum(axis=1) - 1.0) > ROUNDING).any():
        raise InputError("rows do not sum to 1", where="probabilities", fix="give predict_proba of these rows")
    return np.asarray(p / p.sum(axis=1, keepdims=True))
