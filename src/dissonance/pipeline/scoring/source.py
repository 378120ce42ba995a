"""The input of batch scoring: a file of rows, read as a stream of record batches and cut into parts."""

from __future__ import annotations

import difflib
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dissonance.errors import InvalidDataFile, MissingField
from dissonance.ports.scoring import BrokenRow, Part

SHOWN_COLUMNS = 20


class Source(Protocol):
    """`schema` of the columns that are read; `rows`: how many there are, None where only reading tells; `broken` lines
    found so far, in order; a batch never tells of a row before the broken lines before it are known."""

    schema: pa.Schema
    rows: int | None
    broken: deque[BrokenRow]

    def batches(self, first: int) -> Iterator[pa.RecordBatch]:
        """From the row on that `first` good ones precede."""
        ...


class Taken(NamedTuple):
    rows: NDArray[np.int64]
    broken: tuple[BrokenRow, ...]


class RowNumbers:
    """Numbers of good rows, which pass over those of broken lines."""

    def __init__(self, broken: deque[BrokenRow]) -> None:
        self._broken = broken
        self._next = 0

    def take(self, count: int) -> Taken:
        """Of the next `count` good rows, with the broken lines before the last of them."""
        pending = np.array([each.row for each in self._broken], dtype=np.int64)
        candidates = np.arange(self._next, self._next + count + len(pending))
        rows = candidates[~np.isin(candidates, pending)][:count]
        self._next = int(rows[-1]) + 1 if count else self._next
        passed = []
        while self._broken and self._broken[0].row < self._next:
            passed.append(self._broken.popleft())
        return Taken(rows, tuple(passed))


def parts(source: Source, size: int, skip: int) -> Iterator[Part]:
    """Parts of `size` rows, the last may be smaller; the first `skip` parts are passed over."""
    numbers = RowNumbers(source.broken)
    gathered: list[pa.RecordBatch] = []
    rows, number = 0, skip
    to_pass = skip * size
    for batch in source.batches(to_pass):
        if to_pass:
            numbers.take(to_pass)
            to_pass = 0
        while rows + batch.num_rows >= size:
            gathered.append(batch.slice(0, size - rows))
            batch = batch.slice(size - rows)
            yield _part(number, numbers.take(size), gathered, source.schema)
            gathered, rows, number = [], 0, number + 1
        if batch.num_rows:
            gathered.append(batch)
            rows += batch.num_rows
    if to_pass:
        numbers.take(to_pass)
    last = numbers.take(rows)
    broken = (*last.broken, *source.broken)
    if rows or broken:
        yield _part(number, Taken(last.rows, broken), gathered, source.schema)


def require_columns(names: Sequence[str], needed: Sequence[str], keys: Sequence[str], where: str) -> None:
    """Raises `MissingField` for a feature, `InvalidDataFile` for a key that is not there or a name there twice."""
    for name in needed:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            listed = ", ".join(names[:SHOWN_COLUMNS]) + (", …" if len(names) > SHOWN_COLUMNS else "")
            fix = f"did you mean '{close[0]}'?" if close else f"the columns are {listed}"
            kind = InvalidDataFile if name in keys else MissingField
            raise kind(f"there is no column '{name}'", where=where, fix=fix)
        if list(names).count(name) > 1:
            raise InvalidDataFile(f"several columns are named '{name}'", where=where, fix="give each a name of its own")


def _part(number: int, taken: Taken, batches: list[pa.RecordBatch], schema: pa.Schema) -> Part:
    return Part(number, taken.rows, pa.Table.from_batches(batches, schema), taken.broken)
