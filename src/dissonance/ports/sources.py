"""Where labelled rows for training come from: files, an object store, a database, the bus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import pyarrow as pa

SUBJECT_HASH = "data subject (keyed hash)"
"""A column, 16 bytes a row, of sources whose rows name nobody in plain: in place of the data subject's own column."""


class RowSource(Protocol):
    """A reading may be repeated; while nothing was added the rows are the same ones, if not in the same order."""

    @property
    def shown(self) -> str:
        """Its address, for people and records: without a password."""
        ...

    async def read(self, columns: Sequence[str]) -> pa.Table:
        """All rows, with those of these columns that there are, and `SUBJECT_HASH` where it has that.

        Raises `InvalidDataFile` for what is no table, `StorageError` or `EngineUnavailable`.
        """
        ...
