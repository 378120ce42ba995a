"""Kinds of files, by the ending of their names: how rows are read from them, and answers written to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet

from dissonance.decisions.spreadsheets import harmless_table
from dissonance.errors import InvalidDataFile
from dissonance.pipeline.scoring.arrow_sources import ArrowSource, ParquetSource, arrow_names, parquet_names
from dissonance.pipeline.scoring.csv_source import CsvSource, csv_names
from dissonance.pipeline.scoring.source import Source
from dissonance.ports.blobs import Blobs

PACKED = (".gz", ".zst")
"""A CSV file may be packed."""


class Format(NamedTuple):
    """`text_cells`: what it holds is text that the task's schema reads."""

    endings: tuple[str, ...]
    names: Callable[[Blobs, str], list[str]]
    source: Callable[[Blobs, str, Sequence[str]], Source]
    writer: Callable[[pa.NativeFile, pa.Schema], Any]
    text_cells: bool = False


def _parquet_writer(file: pa.NativeFile, schema: pa.Schema) -> Any:
    return pyarrow.parquet.ParquetWriter(file, schema)


FORMATS = (
    Format((".parquet",), parquet_names, ParquetSource, _parquet_writer),
    Format((".csv",), csv_names, CsvSource, pyarrow.csv.CSVWriter, text_cells=True),
    Format((".arrow", ".ipc", ".feather"), arrow_names, ArrowSource, pa.ipc.new_file),
    Format((".arrows",), arrow_names, ArrowSource, pa.ipc.new_stream),
)


def input_format(path: str) -> Format:
    """Raises `InvalidDataFile` for an ending that is none of these."""
    for ending in PACKED:
        if path.lower().endswith(f".csv{ending}"):
            path = path[: -len(ending)]
    return _format(path, "")


def output_format(path: str) -> Format:
    """Raises `InvalidDataFile` for an ending that is none of these."""
    return _format(path, "--out")


def write_tables(format_: Format, file: pa.NativeFile, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    """Into a CSV file what a spreadsheet would take for a formula goes marked as text."""
    written = harmless_table if format_.text_cells else _as_it_is
    with format_.writer(file, written(schema.empty_table()).schema) as writer:
        for table in tables:
            writer.write_table(written(table))


def _as_it_is(table: pa.Table) -> pa.Table:
    return table


def _format(path: str, option: str) -> Format:
    for each in FORMATS:
        if path.lower().endswith(each.endings):
            return each
    endings = ", ".join(ending for each in FORMATS for ending in each.endings)
    raise InvalidDataFile(
        f"the ending of '{path.rpartition('/')[2]}' is of no known kind of file",
        where=option or path,
        fix=f"use {endings}",
    )
