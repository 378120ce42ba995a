"""Arrow streams of anybody become a checked table or a refusal; nothing is opened that could grow without bound."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.errors import MalformedBody, TooManyRows
from dissonance.web.arrow_bodies import table_of

TABLE = pa.table({"x": [1.0, 2.0], "colour": pa.array(["red", "blue"]).dictionary_encode(), "who": ["a", "b"]})


def stream(table: pa.Table, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def at_most(limit: int) -> Any:
    def check(count: int) -> None:
        if count > limit:
            raise TooManyRows(f"{count} rows", where="rows")

    return check


def test_a_stream_comes_as_it_was_written() -> None:
    assert table_of(stream(TABLE), at_most(2)).to_pylist() == TABLE.to_pylist()


def test_a_stream_of_no_batch_is_a_table_of_no_rows() -> None:
    assert table_of(stream(TABLE.slice(0, 0)), at_most(2)).num_rows == 0


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_compressed_buffers_are_refused_before_they_are_opened(codec: str) -> None:
    table = pa.table({"colour": pa.array(["red" * 1000] * 1000).dictionary_encode(), "x": np.zeros(1000)})
    with pytest.raises(MalformedBody, match="compressed"):
        table_of(stream(table, compression=codec), at_most(1000))


def test_rows_that_take_no_bytes_are_counted_before_they_are_made() -> None:
    with pytest.raises(TooManyRows):
        table_of(stream(pa.table({"x": pa.nulls(10**9)})), at_most(50))


@pytest.mark.parametrize(
    "body", [b"", b"PK", b"\xff" * 100, b"ARROW1\x00\x00", stream(TABLE)[:100], stream(TABLE)[:-60]]
)
def test_what_is_no_stream_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedBody):
        table_of(body, at_most(2))


@given(st.data())
def test_a_damaged_stream_is_a_table_or_a_refusal(data: st.DataObject) -> None:
    body = bytearray(stream(TABLE))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        table = table_of(bytes(body), at_most(50))
    except (MalformedBody, TooManyRows):
        return
    table.validate(full=True)
    table.to_pylist()
