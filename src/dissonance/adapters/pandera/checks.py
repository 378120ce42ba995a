"""`ports.checks.TableChecks` by pandera: the task's schema becomes one of pandera's, and all its failures are told.

Niels Bantilan, "pandera: Statistical Data Validation of Pandas Dataframes", SciPy 2020.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas
import pandera.pandas as pandera
import pyarrow as pa
from pandera.errors import SchemaErrors

from dissonance.contracts.schema import Feature, FeatureKind, Scalar, Task
from dissonance.contracts.times import to_us
from dissonance.errors import WrongType
from dissonance.ports.checks import Checked, Finding
from dissonance.ports.sources import SUBJECT_HASH

MISSING_COLUMN = "column_in_dataframe"
MISSING_VALUE = "not_nullable"


class _Rule(NamedTuple):
    """`holds`: (n,) for the values that are there; `fix`: what to do where it does not."""

    what: str
    holds: Callable[[pandas.Series[Any]], pandas.Series[bool]]
    fix: str


NUMERIC = _Rule("is no number", lambda values: _all(values, _is_numeric(values)), "write the column as numbers")
FINITE = _Rule("is infinite", lambda values: _numbers(values).abs() < np.inf, "make it missing or finite")
WHOLE = _Rule(
    "is no whole number",
    lambda values: (_numbers(values) == np.floor(_numbers(values))) | np.isinf(_numbers(values)),
    "round it, or create the task anew with the column as a number",
)
TIME = _Rule("is no time", lambda values: _each(values, _is_time), "give RFC 3339 text, or seconds since 1970")


class PanderaChecks:
    """Blocking."""

    def check(self, task: Task, table: pa.Table) -> Checked:
        frame = table.to_pandas()
        needed: list[tuple[str, bool, list[_Rule]]] = [
            (feature.name, feature.missing_allowed, _rules(feature)) for feature in task.schema.features
        ]
        needed.append((task.target, False, [_among(task.classes, "is no class of the task")]))
        if task.data_subject_column is not None and SUBJECT_HASH not in frame.columns:
            needed.append((task.data_subject_column, False, []))
        if task.time_column is not None and task.time_column in frame.columns:
            needed.append((task.time_column, True, [TIME]))
        failures = _found(frame, needed)
        wrong = {finding.column for finding in failures}
        ranges = [
            (feature.name, True, [_within(feature)])
            for feature in task.schema.features
            if feature.kind is not FeatureKind.CATEGORY and feature.name not in wrong
        ]
        return Checked(failures, _found(frame, ranges))


def _rules(feature: Feature) -> list[_Rule]:
    if feature.kind is FeatureKind.CATEGORY:
        return [_among(feature.categories, "is no category of the task's schema")]
    return [NUMERIC, FINITE, *([WHOLE] if feature.kind is FeatureKind.INTEGER else [])]


def _among(known: tuple[Scalar, ...], what: str) -> _Rule:
    """Numbers that are equal are the same, as in JSON; a boolean is no number."""
    values = {_comparable(value) for value in known}
    return _Rule(
        what,
        lambda series: _each(series, lambda value: _comparable(value) in values),
        f"map it to one of the {len(known)} that the task knows (dissonance task show), leave the rows out, or create "
        "the task anew with rows that have it",
    )


def _within(feature: Feature) -> _Rule:
    low = -np.inf if feature.minimum is None else feature.minimum
    high = np.inf if feature.maximum is None else feature.maximum
    return _Rule(
        "is outside of the range of the reference rows",
        lambda values: _numbers(values).between(low, high),
        "see that the unit did not change",
    )


def _found(frame: pandas.DataFrame, columns: list[tuple[str, bool, list[_Rule]]]) -> tuple[Finding, ...]:
    fixes = {rule.what: rule.fix for _, _, rules in columns for rule in rules}
    schema = pandera.DataFrameSchema(
        {
            name: pandera.Column(
                nullable=nullable, checks=[pandera.Check(rule.holds, error=rule.what) for rule in rules]
            )
            for name, nullable, rules in columns
        }
    )
    try:
        schema.validate(frame, lazy=True)
    except SchemaErrors as errors:
        return tuple(
            _finding(cases, str(check), fixes) for (_, check), cases in _by_check(errors.failure_cases).items()
        )
    return ()


def _by_check(cases: pandas.DataFrame) -> dict[tuple[str, str], pandas.DataFrame]:
    """Of a column that is not there, its name is the case."""
    named = cases["column"].where(cases["check"] != MISSING_COLUMN, cases["failure_case"])
    grouped = cases.assign(column=named).groupby(["column", "check"], sort=False)
    return {(str(column), str(check)): group for (column, check), group in grouped}


def _finding(cases: pandas.DataFrame, check: str, fixes: dict[str, str]) -> Finding:
    column = str(cases["column"].iloc[0])
    if check == MISSING_COLUMN:
        return Finding(column, "is not there", 0, None, "give the source a column of this name")
    first = int(cases["index"].astype(int).min())
    if check == MISSING_VALUE:
        return Finding(column, "is missing", len(cases), first, "fill it in, or leave the rows out")
    return Finding(column, check, len(cases), first, fixes[check])


def _comparable(value: Any) -> tuple[bool, Any]:
    plain = value.item() if isinstance(value, np.generic) else value
    return isinstance(plain, bool), plain


def _is_numeric(values: pandas.Series[Any]) -> bool:
    kind = values.dtype
    return pandas.api.types.is_numeric_dtype(kind) and not pandas.api.types.is_bool_dtype(kind)


def _all(values: pandas.Series[Any], holds: bool) -> pandas.Series[bool]:
    return pandas.Series(holds, index=values.index, dtype=bool)


def _each(values: pandas.Series[Any], holds: Callable[[Any], bool]) -> pandas.Series[bool]:
    """Asked once for every distinct value."""
    codes, distinct = pandas.factorize(values)
    answers = np.array([holds(value) for value in distinct], dtype=np.bool_)
    return pandas.Series(answers[codes] if len(answers) else True, index=values.index, dtype=bool)


def _numbers(values: pandas.Series[Any]) -> pandas.Series[Any]:
    """What is no number is told by another rule: here it passes as 0."""
    return values.astype(np.float64) if _is_numeric(values) else pandas.Series(0.0, index=values.index)


def _is_time(value: Any) -> bool:
    try:
        to_us(value.isoformat() if hasattr(value, "isoformat") else value, "")
    except WrongType:
        return False
    return True
