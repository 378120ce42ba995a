"""Whoever scores parts of a file: threads of this process, or a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


class BrokenRow(NamedTuple):
    """A line of the input that is no row: its number, from 0, and what is wrong with it."""

    row: int
    what: str


class Part(NamedTuple):
    """Rows that are scored together: `rows` (n,) their numbers in the input, from 0; `table` their features and keys;
    `broken` lines between them, or at the end of the input after them."""

    number: int
    rows: NDArray[np.int64]
    table: pa.Table
    broken: tuple[BrokenRow, ...] = ()


class Scored(NamedTuple):
    """`read` rows became `answers` and `rejected`, each in the order of the input."""

    number: int
    read: int
    answers: pa.Table
    rejected: pa.Table


class Crew(Protocol):
    def score(self, parts: Iterable[Part]) -> Iterator[Scored]:
        """In the order of the parts; takes no more of them ahead than there are hands."""
        ...
