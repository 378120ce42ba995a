"""Rows of a Parquet, CSV or Arrow file, or of a folder of them, on this machine or in an object store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.csv

from dissonance.errors import InvalidDataFile
from dissonance.pipeline.file_limits import MOST_BYTES, Room, Wanted, read_arrow, read_parquet
from dissonance.pipeline.scoring.reading import reading
from dissonance.ports.blobs import Blobs

Read = Callable[[Blobs, str, Sequence[str], Room], pa.Table]

CSV = pa.csv.ConvertOptions(strings_can_be_null=True)
"""Gaps are missing values, as `task create` reads them."""


class FileRows:
    """`ports.sources.RowSource` of a path in `files`; `shown` to people. `most_bytes`: that Parquet and Arrow files may
    open to, all together."""

    def __init__(self, files: Blobs, path: str, shown: str, most_bytes: int = MOST_BYTES) -> None:
        self._files = files
        self._most_bytes = most_bytes
        self._path = path
        self.shown = shown

    async def read(self, columns: Sequence[str]) -> pa.Table:
        """Of several files the types are made one where that loses nothing."""
        return await asyncio.to_thread(self._read, columns)

    def _read(self, columns: Sequence[str]) -> pa.Table:
        paths = self._files.files(self._path)
        known = [path for path in paths if _reader(path) is not None]
        if not known or (paths == [self._path] and not known):
            raise InvalidDataFile(
                f"none of {len(paths)} files is of a known kind",
                where=self.shown,
                fix=f"give files whose names end in {', '.join(READERS)}",
            )
        tables, room = [], Room(self._most_bytes)
        for path in known:
            read = _reader(path)
            assert read is not None
            tables.append(read(self._files, path, columns, room))
        with reading(self.shown, "one table"):
            return pa.concat_tables(tables, promote_options="permissive")


def _parquet(files: Blobs, path: str, columns: Sequence[str], room: Room) -> pa.Table:
    with reading(path, "Parquet"), files.open(path) as file:
        return read_parquet(file, _wanted(path, columns), room, path)


def _csv(files: Blobs, path: str, columns: Sequence[str], room: Room) -> pa.Table:
    with reading(path, "CSV"), files.stream(path) as file:
        table = pyarrow.csv.read_csv(
            file, parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True), convert_options=CSV
        )
        return table.select(_wanted(path, columns)(table.column_names))


def _arrow(files: Blobs, path: str, columns: Sequence[str], room: Room) -> pa.Table:
    with reading(path, "Arrow"), files.open(path) as file:
        return read_arrow(file.read_buffer(), _wanted(path, columns), room, path)


READERS: dict[str, Read] = {
    ".parquet": _parquet,
    ".csv": _csv,
    ".csv.gz": _csv,
    ".csv.zst": _csv,
    ".arrow": _arrow,
    ".ipc": _arrow,
    ".feather": _arrow,
    ".arrows": _arrow,
}
"""By the ending of the name."""


def _reader(path: str) -> Read | None:
    return next((read for ending, read in READERS.items() if path.lower().endswith(ending)), None)


def _wanted(path: str, columns: Sequence[str]) -> Wanted:
    def wanted(names: Sequence[str]) -> list[str]:
        twice = [name for name in columns if list(names).count(name) > 1]
        if twice:
            raise InvalidDataFile(
                f"several columns are named '{twice[0]}'", where=path, fix="give every column a name of its own"
            )
        return [name for name in columns if name in names]

    return wanted
