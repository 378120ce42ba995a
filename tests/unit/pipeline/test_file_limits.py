"""Small files that stand for much are refused before they take it; honest ones are read as pyarrow reads them."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dissonance.errors import InvalidDataFile
from dissonance.pipeline.data_file import read_data_file
from dissonance.pipeline.file_limits import Room, read_arrow, read_parquet

MIB = 2**20
SAID = "more than .* bytes of memory"

Write = Callable[[pa.Table], pa.Buffer]


def as_parquet(table: pa.Table, **options: object) -> pa.Buffer:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", **options)
    return pa.py_buffer(sink.getvalue())


def as_arrow(table: pa.Table, *, compression: str | None = "zstd", stream: bool = False) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    make = pa.ipc.new_stream if stream else pa.ipc.new_file
    with make(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table)
    return sink.getvalue()


def opened(content: pa.Buffer, most: int, columns: list[str] | None = None) -> pa.Table:
    """By the first bytes."""

    def wanted(names: Sequence[str]) -> list[str]:
        return list(names) if columns is None else columns

    if content[:4].to_pybytes() == b"PAR1":
        return read_parquet(pa.BufferReader(content), wanted, Room(most), "here")
    return read_arrow(content, wanted, Room(most), "here")


def honest(rows: int = 3_000) -> pa.Table:
    draw = np.random.default_rng(3)
    kinds = pa.array([None if number % 7 == 0 else f"kind {number % 5}" for number in range(rows)])
    return pa.table(
        {
            "number": draw.random(rows),
            "small": pa.array(draw.integers(0, 9, rows), pa.int8()),
            "kind": kinds,
            "coded": kinds.dictionary_encode(),
            "name": [f"person {number}" for number in range(rows)],
            "flag": pa.array([True, None, False] * (rows // 3)),
            "at": pa.array(np.arange(rows), pa.timestamp("us", "UTC")),
            "bytes": pa.array([b"x"] * rows, pa.binary()),
        }
    )


def without_bytes(rows: int) -> pa.Array:
    """`pa.nulls` would allocate a bit a row."""
    return pa.Array.from_buffers(pa.null(), rows, [None])


@pytest.mark.parametrize(
    "write",
    [
        as_parquet,
        lambda table: as_parquet(table, use_dictionary=False, row_group_size=700),
        as_arrow,
        lambda table: as_arrow(table, stream=True),
        lambda table: as_arrow(table, compression=None),
    ],
    ids=["parquet", "parquet without dictionaries", "arrow", "arrow stream", "arrow uncompressed"],
)
def test_honest_file_is_read_whole_with_the_types_that_it_says(write: Write) -> None:
    table = honest()
    assert opened(write(table), MIB).equals(table)
    assert opened(write(table), MIB, ["name", "number"]).equals(table.select(["name", "number"]))
    assert opened(write(table), MIB, []).num_columns == 0


def test_value_that_a_dictionary_has_once_and_a_million_rows_name_is_counted_as_often_as_they_do() -> None:
    text = pa.DictionaryArray.from_arrays(pa.array(np.zeros(50_000, dtype=np.int32)), ["x" * 100_000])
    table = pa.table({"a": text})
    for content in (as_parquet(table), as_arrow(table)):
        assert content.size < MIB
        with pytest.raises(InvalidDataFile, match=SAID) as refused:
            opened(content, 1_000 * MIB)
        assert "DISSONANCE_DATA_FILE_BYTES" in refused.value.fix
        assert opened(content, 6_000 * MIB).num_rows == 50_000


def test_column_of_text_that_is_kept_as_text_is_counted_before_it_is_laid_out() -> None:
    """The schema of Arrow that pyarrow keeps in the file says text; the pages hold the value once."""
    text = pa.table({"a": ["y" * 10_000] * 2_000})
    content = as_parquet(text)
    assert content.size < MIB // 4
    with pytest.raises(InvalidDataFile, match=SAID):
        opened(content, MIB)
    assert opened(content, 21 * MIB).equals(text)


def test_pages_are_counted_by_what_they_say_they_decompress_to() -> None:
    """Each value is another one, so no dictionary would help."""
    content = as_parquet(pa.table({"a": [b"%d" % n + b"z" * 10_000 for n in range(1_000)]}), use_dictionary=False)
    assert content.size < MIB // 4
    with pytest.raises(InvalidDataFile, match=SAID):
        opened(content, 9 * MIB)
    assert opened(content, 10 * MIB).num_rows == 1_000


def test_rows_that_a_run_stands_for_are_counted_by_what_is_said_of_them() -> None:
    content = as_parquet(pa.table({"a": np.zeros(MIB), "b": pa.nulls(MIB)}))
    assert content.size < MIB // 8
    with pytest.raises(InvalidDataFile, match=SAID):
        opened(content, 16 * MIB - 1)
    with pytest.raises(InvalidDataFile, match=SAID):
        opened(content, 8 * MIB - 1, ["b"])
    assert opened(content, 8 * MIB, ["a"]).num_rows == MIB


def test_compressed_buffers_are_counted_by_the_length_that_they_say_they_open_to() -> None:
    content = as_arrow(pa.table({"a": np.zeros(MIB)}))
    assert content.size < MIB // 8
    with pytest.raises(InvalidDataFile, match=SAID):
        opened(content, 8 * MIB - 1)
    assert opened(content, 8 * MIB).num_rows == MIB


def test_rows_without_bytes_are_counted() -> None:
    content = as_arrow(pa.table({"a": without_bytes(2**31 - 1)}))
    assert content.size < 1_000
    with pytest.raises(InvalidDataFile, match=SAID):
        opened(content, 2**33)


def test_several_files_share_one_room() -> None:
    content, room = as_arrow(pa.table({"a": np.zeros(1_000)})), Room(10_000)
    read_arrow(content, list, room, "one")
    with pytest.raises(InvalidDataFile, match=SAID):
        read_arrow(content, list, room, "two")


@pytest.mark.parametrize(
    "column",
    [
        pa.array([[1, 2]]),
        pa.array([{"a": 1}]),
        pa.array(["x"]).cast(pa.string_view()),
        pa.RunEndEncodedArray.from_arrays(pa.array([2**30], pa.int32()), pa.array(["x"])),
    ],
    ids=["list", "structure", "view", "run-end encoded"],
)
def test_column_of_a_type_that_can_stand_for_more_than_it_holds_is_refused_if_it_is_read(column: pa.Array) -> None:
    table = pa.table({"n": without_bytes(len(column)), "a": column})
    content = as_arrow(table, compression=None)
    with pytest.raises(InvalidDataFile, match="column 'a' is of type"):
        opened(content, 2**40)
    assert opened(content, 2**40, ["n"]).num_rows == len(column)


def test_index_outside_of_its_dictionary_is_no_content() -> None:
    broken = pa.DictionaryArray.from_arrays(pa.array([5], pa.int32()), ["x"], safe=False)
    with pytest.raises(pa.ArrowInvalid):
        opened(as_arrow(pa.table({"a": broken})), MIB)


def test_data_file_of_a_task_is_held_to_the_same(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    table = honest()
    path.write_bytes(as_parquet(table).to_pybytes())
    with pytest.raises(InvalidDataFile, match=SAID):
        read_data_file(path, most_bytes=100_000)
    frame = read_data_file(path).frame
    assert frame.equals(table.to_pandas())
