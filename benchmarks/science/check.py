"""What a case must have before anything is made of it, so that whoever brings one is told what to mend."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dissonance.errors import InvalidDataFile
from dissonance.science.arrays import Vector
from science.case import Case, Rule

FEWEST_SOURCE = 400
"""Rows: the quarters that become the reference and the pool of undisturbed windows hold the smallest window."""
FEWEST_TARGET = 100
MOST_CLASSES = 100


def checked_frame(case: Case) -> pd.DataFrame:
    """The frame of a case, rows without a label left out. Raises `InvalidDataFile`."""
    frame = case.load()
    if not isinstance(frame, pd.DataFrame):
        raise _refused(case, f"its loader gave {type(frame).__name__}", "return a pandas DataFrame")
    if not frame.columns.is_unique:
        raise _refused(case, "two columns have one name", "rename one of them")
    absent = [name for name in (case.label, *case.without) if name not in frame.columns]
    if absent:
        raise _refused(case, f"there is no column {', '.join(absent)}", f"it has {', '.join(map(str, frame.columns))}")
    classes = frame[case.label].nunique()
    if classes > MOST_CLASSES:
        raise _refused(case, f"{case.label} has {classes:,} different values", "name a column of classes")
    inputs = frame.drop(columns=[case.label, *case.without])
    if not inputs.shape[1]:
        raise _refused(case, "it has no input", "leave fewer columns out")
    times = [str(name) for name in inputs.columns if _has_times(inputs[name])]
    if times:
        raise _refused(case, f"{', '.join(times)} hold dates", "make numbers of them, or name them in `without`")
    return frame[frame[case.label].notna()].reset_index(drop=True)


def checked_share(case: Case, rule: Rule, frame: pd.DataFrame) -> Vector:
    """(n,) in [0, 1]: the probability that a row is drawn. Raises `InvalidDataFile`."""
    value = np.asarray(frame.eval(rule) if isinstance(rule, str) else rule(frame))
    if value.shape != (len(frame),):
        raise _refused(case, f"a rule gave values of shape {value.shape}", f"one a row: ({len(frame)},)")
    share: Vector = pd.to_numeric(pd.Series(value), errors="coerce").fillna(0.0).to_numpy(dtype=np.float64)
    if share.min() < 0.0 or share.max() > 1.0:
        raise _refused(case, "a rule gave values outside [0, 1]", "give truth values or probabilities")
    return share


def check_sides(case: Case, source: int, target: int) -> None:
    """Raises `InvalidDataFile` when there are too few rows for the smallest window."""
    for name, rows, fewest in (("source", source, FEWEST_SOURCE), ("target", target, FEWEST_TARGET)):
        if rows < fewest:
            raise _refused(case, f"its {name} has {rows} rows, fewer than {fewest}", f"widen the rule of its {name}")


def _has_times(column: pd.Series) -> bool:
    """In whatever form: of pandas, of Arrow, or Python's own in a column of objects."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return False
    return str(pd.api.types.infer_dtype(column, skipna=True)).startswith(("date", "time", "period"))


def _refused(case: Case, what: str, fix: str) -> InvalidDataFile:
    return InvalidDataFile(what, where=f"case {case.name}", fix=fix)
