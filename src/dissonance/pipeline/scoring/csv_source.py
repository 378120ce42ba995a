"""CSV with a header line, in UTF-8, read in blocks. Cells come as they are: the task's schema says what they mean."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from io import TextIOWrapper

import pyarrow as pa
import pyarrow.csv

from dissonance.errors import InvalidDataFile
from dissonance.pipeline.scoring.reading import reading
from dissonance.ports.blobs import Blobs
from dissonance.ports.scoring import BrokenRow

BLOCK_BYTES = 4_194_304
"""Read at once; a row may not be longer."""

HEADER_LINES = 1

HEADER_CHARACTERS = 1_048_576
"""Of one line in the header: a small packed file could hold one that fills the memory."""


class CsvSource:
    """`pipeline.scoring.source.Source` of binary cells."""

    def __init__(self, blobs: Blobs, path: str, columns: Sequence[str]) -> None:
        self._blobs = blobs
        self._path = path
        self.schema = pa.schema([(name, pa.binary()) for name in columns])
        self.rows: int | None = None
        self.broken: deque[BrokenRow] = deque()

    def batches(self, first: int) -> Iterator[pa.RecordBatch]:
        """What comes before is read too: only so is it known where rows begin."""
        with self._blobs.stream(self._path) as file, reading(self._path, "CSV"):
            for batch in pyarrow.csv.open_csv(
                file,
                # With threads the numbers of broken lines are not told.
                pyarrow.csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
                pyarrow.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=self._note),
                pyarrow.csv.ConvertOptions(
                    column_types=self.schema, include_columns=self.schema.names, strings_can_be_null=False
                ),
            ):
                passed = min(first, batch.num_rows)
                first -= passed
                if passed < batch.num_rows:
                    yield batch.slice(passed)

    def _note(self, line: pyarrow.csv.InvalidRow) -> str:
        told = f"the line has {line.actual_columns} fields, the header {line.expected_columns}"
        self.broken.append(BrokenRow(line.number - 1 - HEADER_LINES, told))
        return "skip"


def _lines_of(text: TextIOWrapper, path: str) -> Iterator[str]:
    while line := text.readline(HEADER_CHARACTERS):
        if len(line) == HEADER_CHARACTERS:
            raise InvalidDataFile(
                f"the header line has more than {HEADER_CHARACTERS} characters", where=path, fix="see who made the file"
            )
        yield line


def csv_names(blobs: Blobs, path: str) -> list[str]:
    """Of the columns, as the header has them. Raises `InvalidDataFile`."""
    try:
        # Lines after the header are read along; a byte of theirs that is no text is told with its row.
        with (
            blobs.stream(path) as file,
            reading(path, "CSV"),
            TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="") as text,
        ):
            header = next((line for line in csv.reader(_lines_of(text, path)) if line), None)
        if header is not None:
            "".join(header).encode()
    except (UnicodeEncodeError, csv.Error) as error:
        raise InvalidDataFile(
            f"the header line cannot be read: {error}", where=path, fix="write the file as UTF-8"
        ) from error
    if header is None:
        raise InvalidDataFile("the file has no header line", where=path, fix="give it one, with the columns' names")
    return header
