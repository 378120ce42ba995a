"""The rows of a source as a task sees them: encoded, in an order of their own, without those that it must not learn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dissonance.contracts.schema import Task
from dissonance.contracts.times import to_us
from dissonance.decisions.columns_in import ColumnEncoder, values_of
from dissonance.errors import InputError
from dissonance.pipeline.reference import OpenedRows
from dissonance.pipeline.training import LabelledRows
from dissonance.ports.sources import SUBJECT_HASH

NO_TIME = 0
"""Of rows that say no time, or whose source has none."""

Hashed = Callable[[str, str], bytes]
"""Task and data subject to the keyed hash that stands for them."""

Content = tuple[bytes, bytes, int]
"""Data subject (empty where rows are about nobody known), features and class of a row."""


class Incoming(NamedTuple):
    """`data_subjects`: their hashes, None where the source names none; `times_us`: `NO_TIME` where it says none. In the
    order of what the rows hold, so that the order of files or of a query's answer does not matter."""

    rows: LabelledRows
    data_subjects: list[bytes] | None
    times_us: np.ndarray[tuple[int], np.dtype[np.int64]]

    def only(self, kept: list[int]) -> Incoming:
        positions = np.array(kept, dtype=np.int64)
        subjects = None if self.data_subjects is None else [self.data_subjects[i] for i in kept]
        return Incoming(self.rows.at(positions), subjects, self.times_us[positions])

    def content(self, row: int) -> Content:
        subject = b"" if self.data_subjects is None else self.data_subjects[row]
        return subject, self.rows.features[row].tobytes(), int(self.rows.classes[row])


class LeftOut(NamedTuple):
    """Rows that are not learnt from: about people of the golden holdout (or equal to its rows, where nobody is named);
    known to the system already; later than asked."""

    golden: int
    known: int
    later: int


def wanted_columns(task: Task) -> list[str]:
    beside = (task.target, task.time_column, task.data_subject_column)
    return [*task.schema.names, *(name for name in beside if name is not None)]


def encode(task: Task, table: pa.Table, hashed: Hashed) -> Incoming:
    """Rows that passed the checks. Raises as `ColumnEncoder.encode` does for what those let through."""
    features = ColumnEncoder(task.schema).encode(_gaps_missing(table.select(list(task.schema.names))))
    index = {(isinstance(value, bool), value): number for number, value in enumerate(task.classes)}
    targets = values_of(table.column(task.target))
    classes = np.array([index[isinstance(value, bool), value] for value in targets], dtype=np.int64)
    times = np.full(len(classes), NO_TIME, dtype=np.int64)
    if task.time_column is not None and task.time_column in table.column_names:
        times = np.array([_time_us(each, task.time_column) for each in values_of(table.column(task.time_column))])
    subjects = _subjects(task, table, hashed)
    order = _order(features, classes, times, subjects)
    incoming = Incoming(LabelledRows(features, classes), subjects, times.astype(np.int64))
    return incoming.only(order.tolist())


def leave_out(
    incoming: Incoming, golden: OpenedRows, golden_people: frozenset[bytes], known: Iterable[OpenedRows],
    as_of_us: int, *, back_fill: bool,
) -> tuple[Incoming, LeftOut]:  # fmt: skip
    """What may be learnt. As many rows as the system has of one content are known; nobody of the holdout comes in.

    Raises `InputError` for a back-fill from a source without times: nobody knows what was known then.
    """
    if back_fill and len(incoming.times_us) and not (incoming.times_us != NO_TIME).any():
        raise InputError(
            "the rows of the source do not say their time, so none is known to be of then",
            where="--as-of",
            fix="name a source with the task's time column, or leave --as-of or --from out",
        )
    named = incoming.data_subjects is not None
    held = Counter[Content]() if named else _contents(golden, named=False)
    there = Counter[Content]()
    for each in known:
        there.update(_contents(each, named=named))
    kept, out = [], Counter[str]()
    for row in range(len(incoming.times_us)):
        why = _why_not(incoming, row, golden_people, held, there, as_of_us, back_fill=back_fill)
        if why:
            out[why] += 1
        else:
            kept.append(row)
    return incoming.only(kept), LeftOut(out["golden"], out["known"], out["later"])


def _why_not(
    incoming: Incoming, row: int, golden_people: frozenset[bytes], held: Counter[Content], there: Counter[Content],
    as_of_us: int, *, back_fill: bool,
) -> str:  # fmt: skip
    time_us = int(incoming.times_us[row])
    if time_us > as_of_us or (back_fill and time_us == NO_TIME):
        return "later"
    content = incoming.content(row)
    if content[0] in golden_people:
        return "golden"
    for counted, why in ((held, "golden"), (there, "known")):
        if counted[content] > 0:
            counted[content] -= 1
            return why
    return ""


def _contents(opened: OpenedRows, *, named: bool) -> Counter[Content]:
    return Counter(
        (data_subject if named else b"", features.tobytes(), int(label))
        for data_subject, features, label in zip(
            opened.data_subjects, opened.rows.features, opened.rows.classes, strict=True
        )
    )


def _gaps_missing(table: pa.Table) -> pa.Table:
    """A file or a database may write a gap as NaN, which `task create` reads as missing too."""
    for position, name in enumerate(table.column_names):
        column = table.column(name)
        if pa.types.is_floating(column.type):
            table = table.set_column(
                position, name, pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
            )
    return table


def _subjects(task: Task, table: pa.Table, hashed: Hashed) -> list[bytes] | None:
    if SUBJECT_HASH in table.column_names:
        return values_of(table.column(SUBJECT_HASH))
    if task.data_subject_column is None:
        return None
    return [hashed(task.task_id, _plain_id(value)) for value in values_of(table.column(task.data_subject_column))]


def _plain_id(value: Any) -> str:
    """As `task create` reads them: whole numbers may have become floats beside gaps."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _time_us(value: Any, where: str) -> int:
    if value is None:
        return NO_TIME
    return to_us(value.isoformat() if hasattr(value, "isoformat") else value, where)


def _order(features: Any, classes: Any, times: Any, subjects: list[bytes] | None) -> np.ndarray[Any, Any]:
    keys = [*features.T[::-1], classes, times]
    if subjects is not None:
        keys.append(np.array(subjects, dtype="S16"))
    return np.lexsort(keys)


def occurrences(contents: Iterable[tuple[Any, ...]]) -> list[int]:
    """Of each, how many before it are the same.

    >>> occurrences([("a",), ("b",), ("a",)])
    [0, 0, 1]
    """
    seen: Counter[Any] = Counter()
    found = []
    for content in contents:
        found.append(seen[content])
        seen[content] += 1
    return found
