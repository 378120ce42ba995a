"""Files by path, on this machine or in an object store: read whole or streamed, written whole or not at all."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

import pyarrow as pa


class Blobs(Protocol):
    """Methods block. They raise `StorageError` for what the storage refuses, `InvalidDataFile` for a file that is not
    there or may not be read."""

    def exists(self, path: str) -> bool: ...

    def files(self, path: str) -> list[str]:
        """The path itself, or of a folder all files in it and in its folders, in order of their names; those whose name
        begins with a dot or an underscore are somebody's own, as everywhere where folders are data sets."""
        ...

    def stamp(self, path: str) -> str:
        """Another text whenever the file is another: its size, and when it was last written."""
        ...

    def open(self, path: str) -> pa.NativeFile:
        """At any place, for formats that are read by their footer."""
        ...

    def stream(self, path: str) -> pa.NativeFile:
        """From start to end; what ends in `.gz` or `.zst` is unpacked on the way."""
        ...

    def read(self, path: str) -> bytes: ...

    def write(self, path: str, content: bytes) -> None:
        """All of it, or what was there before."""
        ...

    def writing(self, path: str) -> AbstractContextManager[pa.NativeFile]:
        """A stream whose file is there when the block ends without an error, and not before."""
        ...

    def delete_folder(self, path: str) -> None:
        """With all that is in it; one that is not there is no error."""
        ...


def own(name: str) -> bool:
    """Whether a file or folder of this name is no part of a data set.

    >>> own("_SUCCESS"), own("year=2015")
    (True, False)
    """
    return name.startswith((".", "_"))
