"""Are the rows of a table those that a task was made for? Every failure is found, not the first one only."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import msgspec
import pyarrow as pa

from dissonance.contracts.counts import counted
from dissonance.contracts.schema import Task


class Finding(msgspec.Struct, frozen=True):
    """`rows` of a column fail a check, the first at `first_row` (from 0; None: the whole column). Values are about
    people, and so are left out."""

    column: str
    check: str
    rows: int
    first_row: int | None
    fix: str

    def __str__(self) -> str:
        first = "" if self.first_row is None else f", first in row {self.first_row}"
        return f"{self.column}: {self.check} ({counted(self.rows, 'row')}{first}): {self.fix}"


class Checked(NamedTuple):
    """`failures` refuse the rows; `remarks` do not."""

    failures: tuple[Finding, ...]
    remarks: tuple[Finding, ...]


class TableChecks(Protocol):
    def check(self, task: Task, table: pa.Table) -> Checked: ...
