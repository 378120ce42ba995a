from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.adapters.files.local import LocalFiles
from dissonance.errors import InvalidDataFile, MissingField
from dissonance.pipeline.scoring.csv_source import CsvSource
from dissonance.pipeline.scoring.formats import input_format, output_format
from dissonance.pipeline.scoring.source import parts, require_columns
from dissonance.ports.scoring import BrokenRow, Part
from support.scoring import rows_table, write_rows

NAMES = ["first", "kind", "id"]


class Lines:
    """A source of numbered rows with broken lines between, told some batches ahead."""

    schema = pa.schema([("x", pa.int64())])
    rows = None

    def __init__(self, broken: list[bool], batch: int) -> None:
        self._good = [row for row, bad in enumerate(broken) if not bad]
        self._bad = [BrokenRow(row, "broken") for row, bad in enumerate(broken) if bad]
        self._batch = batch
        self.broken: deque[BrokenRow] = deque()

    def batches(self, first: int) -> Iterator[pa.RecordBatch]:
        self.broken.extend(self._bad)
        rest = self._good[first:]
        for start in range(0, len(rest), self._batch):
            yield pa.RecordBatch.from_pydict({"x": rest[start : start + self._batch]}, self.schema)


@given(st.lists(st.booleans(), max_size=40), st.integers(1, 7), st.integers(1, 9))
def test_every_line_is_in_one_part_in_order_whatever_is_broken(broken: list[bool], size: int, batch: int) -> None:
    found = list(parts(Lines(broken, batch), size, 0))
    assert [part.number for part in found] == list(range(len(found)))
    assert [row for part in found for row in part.rows.tolist()] == [i for i, bad in enumerate(broken) if not bad]
    assert [each.row for part in found for each in part.broken] == [i for i, bad in enumerate(broken) if bad]
    assert all(part.table["x"].to_pylist() == part.rows.tolist() for part in found)
    assert all(len(part.rows) == size for part in found[:-1])


@given(st.lists(st.booleans(), max_size=40), st.integers(1, 7), st.integers(1, 9), st.integers(0, 9))
def test_parts_that_are_done_are_passed_over_and_the_rest_is_the_same(
    broken: list[bool], size: int, batch: int, skip: int
) -> None:
    whole = list(parts(Lines(broken, batch), size, 0))
    skip = min(skip, len(whole))
    rest = list(parts(Lines(broken, batch), size, skip))
    if skip < len(whole) or not whole:
        assert list(map(told, rest)) == list(map(told, whole[skip:]))
    else:
        assert rest == []


def told(part: Part) -> tuple[int, list[int], dict[str, list[int]], list[int]]:
    return part.number, part.rows.tolist(), part.table.to_pydict(), [each.row for each in part.broken]


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".arrow", ".arrows"])
@pytest.mark.parametrize("first", [0, 1, 699, 700, 1_500, 2_000])
def test_file_is_read_from_any_row_on(tmp_path: Path, ending: str, first: int) -> None:
    table = rows_table(2_000)
    path = str(write_rows(tmp_path / f"rows{ending}", table))
    source = input_format(path).source(LocalFiles(), path, NAMES)
    found = pa.Table.from_batches(source.batches(first), source.schema)
    assert found.column_names == NAMES
    assert [int(value) for value in found["id"].to_pylist()] == table["id"].to_pylist()[first:]
    assert source.rows == (2_000 if ending == ".parquet" else None)


def test_broken_lines_are_numbered_as_rows_and_blank_lines_are_none(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b'\xef\xbb\xbfa,b\r\n1,2\r\n\r\n3\r\n4,"x\r\ny"\r\n5,6,7\r\n8,9\r\n')
    source = CsvSource(LocalFiles(), str(path), ["b", "a"])
    (part,) = parts(source, 10, 0)
    assert part.rows.tolist() == [0, 2, 4]
    assert part.table.to_pydict() == {"b": [b"2", b"x\r\ny", b"9"], "a": [b"1", b"4", b"8"]}
    assert [each.row for each in part.broken] == [1, 3]
    assert part.broken[0].what == "the line has 1 fields, the header 2"


def test_packed_csv_is_unpacked_on_the_way(tmp_path: Path) -> None:
    path = str(tmp_path / "rows.csv.gz")
    with pa.output_stream(path, compression="gzip") as file:
        file.write(b"a\n1\n2\n")
    (part,) = parts(input_format(path).source(LocalFiles(), path, ["a"]), 10, 0)
    assert part.table.to_pydict() == {"a": [b"1", b"2"]}


def test_a_file_is_read_no_further_than_it_is_asked_for(tmp_path: Path) -> None:
    """What bounds the memory: nothing is read ahead but a part."""
    path = str(write_rows(tmp_path / "rows.parquet", rows_table(5_000), 500))
    taken = 0

    class Counting(LocalFiles):
        def open(self, path: str) -> pa.NativeFile:
            nonlocal taken
            taken += 1
            return super().open(path)

    source = input_format(path).source(Counting(), path, NAMES)
    stream = parts(source, 1_000, 0)
    assert next(stream).table.num_rows == 1_000
    assert sum(part.table.num_rows for part in stream) == 4_000
    assert taken == 2  # once for the schema, once for all rows


@pytest.mark.parametrize(("name", "error"), [("kind_", MissingField), ("person_", InvalidDataFile)])
def test_a_column_that_is_not_there_is_named_with_the_nearest(name: str, error: type[Exception]) -> None:
    with pytest.raises(error, match=name) as raised:
        require_columns(["kind", "person"], [name], ["person_"], "rows.csv")
    assert name[:-1] in str(raised.value)


def test_a_name_of_two_columns_is_refused() -> None:
    with pytest.raises(InvalidDataFile, match="several columns"):
        require_columns(["a", "a"], ["a"], [], "rows.csv")


@pytest.mark.parametrize("ending", [".parquet", ".arrow", ".csv"])
def test_a_file_of_another_kind_than_its_name_says_is_refused(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"rows{ending}"
    path.write_bytes(b"\xff\xfe\x00 neither of these " * 10)
    with pytest.raises(InvalidDataFile):
        input_format(str(path)).names(LocalFiles(), str(path))


def test_an_empty_csv_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").touch()
    with pytest.raises(InvalidDataFile, match="no header"):
        input_format("rows.csv").names(LocalFiles(), str(tmp_path / "rows.csv"))


@pytest.mark.parametrize("path", ["rows.txt", "rows", "rows.parquet.gz"])
def test_an_unknown_ending_is_refused(path: str) -> None:
    with pytest.raises(InvalidDataFile, match="no known kind"):
        input_format(path)


def test_packed_output_is_refused() -> None:
    with pytest.raises(InvalidDataFile, match="no known kind"):
        output_format("scores.csv.gz")


def test_numbers_of_rows_are_whole(tmp_path: Path) -> None:
    path = str(write_rows(tmp_path / "rows.csv", rows_table(3)))
    (part,) = parts(input_format(path).source(LocalFiles(), path, NAMES), 10, 0)
    assert part.rows.dtype == np.int64
