"""Files of this machine. What is written is readable by its owner only, since rows may be about people."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from dissonance.adapters.synced import sync_folder
from dissonance.adapters.unpacking import PACKED, unpacked
from dissonance.errors import InvalidDataFile, StorageError
from dissonance.ports.blobs import own

UNFINISHED = ".unfinished"


class LocalFiles:
    """`ports.blobs.Blobs` on a file system that can rename."""

    def exists(self, path: str) -> bool:
        return Path(path).exists()

    def files(self, path: str) -> list[str]:
        with _reading(path):
            if not Path(path).is_dir():
                Path(path).stat()
                return [path]
            found = (each.relative_to(path) for each in Path(path).rglob("*") if each.is_file())
            return sorted(str(Path(path) / each) for each in found if not any(own(part) for part in each.parts))

    def stamp(self, path: str) -> str:
        with _reading(path):
            found = Path(path).stat()
        return f"{found.st_size} bytes, written at {found.st_mtime_ns}"

    def open(self, path: str) -> pa.NativeFile:
        with _reading(path):
            return pa.OSFile(path)

    def stream(self, path: str) -> pa.NativeFile:
        with _reading(path):
            stream = pa.input_stream(path, compression="detect")
            return unpacked(stream, Path(path).stat().st_size, path) if path.lower().endswith(PACKED) else stream

    def read(self, path: str) -> bytes:
        with _reading(path):
            return Path(path).read_bytes()

    def write(self, path: str, content: bytes) -> None:
        with self.writing(path) as file:
            file.write(content)

    @contextmanager
    def writing(self, path: str) -> Iterator[pa.NativeFile]:
        final = Path(path)
        unfinished = final.with_name(f".{final.name}{UNFINISHED}")
        with _writing(path):
            final.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    stream = pa.PythonFile(file, mode="w")
                    yield stream
                    stream.flush()
                    file.flush()
                    os.fsync(file.fileno())
                unfinished.replace(final)
            except BaseException:
                unfinished.unlink(missing_ok=True)
                raise
            sync_folder(final.parent)

    def delete_folder(self, path: str) -> None:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _reading(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InvalidDataFile(
            f"the file cannot be read: {error.strerror or error}", where=path, fix="give the path of a readable file"
        ) from error


@contextmanager
def _writing(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"the file cannot be written: {error.strerror or error}",
            where=path,
            fix="give a path that can be written, with room for it; then run the same command again",
        ) from error
