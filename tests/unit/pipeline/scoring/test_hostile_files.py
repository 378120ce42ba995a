"""Files of somebody that are made to fill the memory, to run code, or to be read without end, are refused."""

from __future__ import annotations

import asyncio
import gzip
import pickle
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from dissonance.adapters.files.local import LocalFiles
from dissonance.adapters.unpacking import unpacked
from dissonance.errors import InvalidDataFile
from dissonance.pipeline.flow.sources.file_rows import FileRows
from dissonance.pipeline.scoring.arrow_sources import ArrowSource
from dissonance.pipeline.scoring.csv_source import HEADER_CHARACTERS, CsvSource, csv_names

FILES = LocalFiles()
OPENS_TO = 20_000_000


@pytest.fixture
def bomb(tmp_path: Path) -> Path:
    """A thousand times as large as it looks: one header line, and then rows."""
    path = tmp_path / "bomb.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * (OPENS_TO // 4), 6))
    assert path.stat().st_size * 100 < OPENS_TO
    return path


def cautious(path: Path) -> pa.NativeFile:
    return unpacked(pa.input_stream(path), path.stat().st_size, str(path), always_bytes=1_000_000)


class Cautious(LocalFiles):
    """Opens as little of a packed file as its size allows."""

    def stream(self, path: str) -> pa.NativeFile:
        return cautious(Path(path))


def test_a_packed_file_is_opened_no_further_than_an_honest_one_would_be(bomb: Path) -> None:
    came = 0
    with pytest.raises(InvalidDataFile, match="more than 100 times"), cautious(bomb) as stream:
        while piece := stream.read(65_536):
            came += len(piece)
    assert came <= 100 * bomb.stat().st_size


def test_the_same_is_said_where_tables_are_read(bomb: Path) -> None:
    source = CsvSource(Cautious(), str(bomb), ["a", "b"])
    with pytest.raises(InvalidDataFile, match="more than 100 times"):
        list(source.batches(0))
    with pytest.raises(InvalidDataFile, match="more than 100 times"):
        asyncio.run(FileRows(Cautious(), str(bomb), "bomb").read(["a"]))


def test_an_honest_packed_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv.gz"
    numbers = np.random.default_rng(1).random(50_000)
    path.write_bytes(gzip.compress(b"x\n" + "\n".join(map(str, numbers)).encode()))
    assert csv_names(FILES, str(path)) == ["x"]
    table = asyncio.run(FileRows(FILES, str(path), "rows").read(["x"]))
    assert np.array_equal(table["x"].to_numpy(), numbers)


def test_a_header_line_without_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "header.csv.gz"
    path.write_bytes(gzip.compress(b"a," * HEADER_CHARACTERS, 6))
    with pytest.raises(InvalidDataFile, match="header line has more than"):
        csv_names(FILES, str(path))


def test_a_buffer_that_says_it_opens_to_more_than_there_is_is_no_content(tmp_path: Path) -> None:
    path, rows = tmp_path / "claim.arrow", 10_000
    table = pa.table({"a": np.zeros(rows)})
    with pa.OSFile(str(path), "wb") as file:
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        with pa.ipc.new_file(file, table.schema, options=options) as writer:
            writer.write_table(table)
    honest = path.read_bytes()
    path.write_bytes(honest.replace(struct.pack("<q", 8 * rows), struct.pack("<q", 1 << 60)))
    assert path.read_bytes() != honest
    with pytest.raises(InvalidDataFile, match="more memory than there is"):
        list(ArrowSource(FILES, str(path), ["a"]).batches(0))
    with pytest.raises(InvalidDataFile, match="bytes of memory, the most"):
        asyncio.run(FileRows(FILES, str(path), "claim").read(["a"]))


class Runs:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (self.mark,)  # type: ignore[return-value]


def test_a_column_of_a_type_that_would_be_unpickled_is_a_column_of_bytes(tmp_path: Path) -> None:
    """CVE-2023-47248: Arrow's metadata may name a Python type, to be made by a pickle."""
    mark, path = tmp_path / "ran", tmp_path / "typed.arrow"
    metadata = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": pickle.dumps(Runs(mark)),
    }
    schema = pa.schema([pa.field("a", pa.int64(), metadata=metadata)])
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as writer:
        writer.write_table(pa.table([pa.array([1])], schema=schema))
    table = asyncio.run(FileRows(FILES, str(path), "typed").read(["a"]))
    assert table["a"].to_pylist() == [1]
    assert not mark.exists()
