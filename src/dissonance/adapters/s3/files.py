"""Objects of an S3 store. A path is `bucket/key`; credentials are found as the AWS SDK finds them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pyarrow as pa
from pyarrow.fs import AwsStandardS3RetryStrategy, FileInfo, FileSelector, FileSystem, FileType, S3FileSystem

from dissonance.adapters.unpacking import PACKED, unpacked
from dissonance.errors import InvalidDataFile, StorageError
from dissonance.ports.blobs import own

ATTEMPTS = 5
CONNECT_TIMEOUT_S = 10.0
REQUEST_TIMEOUT_S = 60.0


class S3Address(NamedTuple):
    """What differs from AWS itself. `endpoint`: an http:// or https:// URL; `ca_file`: PEM of who signed for it."""

    endpoint: str | None = None
    region: str | None = None
    ca_file: str | None = None


class S3Files:
    """`ports.blobs.Blobs` on a store that shows an object only when it is whole."""

    def __init__(self, store: FileSystem) -> None:
        self._store = store

    @classmethod
    def at(cls, address: S3Address) -> S3Files:
        # Without a region the SDK asks a metadata service of its cloud, which no other store has.
        region = address.region or ("us-east-1" if address.endpoint else None)
        return cls(
            S3FileSystem(
                endpoint_override=address.endpoint,
                region=region,
                tls_ca_file_path=address.ca_file,
                connect_timeout=CONNECT_TIMEOUT_S,
                request_timeout=REQUEST_TIMEOUT_S,
                retry_strategy=AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
            )
        )

    def exists(self, path: str) -> bool:
        return self._found(path).type is not FileType.NotFound

    def files(self, path: str) -> list[str]:
        found = self._found(path)
        if found.type is FileType.File:
            return [path]
        with _translated(path):
            inside = self._store.get_file_info(FileSelector(path, recursive=True))
        below = len(path.rstrip("/")) + 1
        there = (each.path for each in inside if each.type is FileType.File)
        return sorted(each for each in there if not any(own(part) for part in each[below:].split("/")))

    def stamp(self, path: str) -> str:
        found = self._found(path)
        return f"{found.size} bytes, written at {found.mtime_ns}"

    def open(self, path: str) -> pa.NativeFile:
        with _translated(path):
            return self._store.open_input_file(path)

    def stream(self, path: str) -> pa.NativeFile:
        with _translated(path):
            stream = self._store.open_input_stream(path, compression="detect")
        return unpacked(stream, self._found(path).size, f"s3://{path}") if path.lower().endswith(PACKED) else stream

    def read(self, path: str) -> bytes:
        with _translated(path), self._store.open_input_stream(path, compression=None) as file:
            return bytes(file.read())

    def write(self, path: str, content: bytes) -> None:
        with self.writing(path) as file:
            file.write(content)

    @contextmanager
    def writing(self, path: str) -> Iterator[pa.NativeFile]:
        with _translated(path):
            file = self._store.open_output_stream(path, compression=None)
            try:
                yield file
            except BaseException:
                # Arrow completes an upload when its stream goes; there is no way to break it off.
                file.close()
                self._store.delete_file(path)
                raise
            file.close()

    def delete_folder(self, path: str) -> None:
        with _translated(path):
            if self.exists(path):
                self._store.delete_dir(path)

    def _found(self, path: str) -> FileInfo:
        with _translated(path):
            return self._store.get_file_info(path)


@contextmanager
def _translated(path: str) -> Iterator[None]:
    where = f"s3://{path}"
    try:
        yield
    except FileNotFoundError as error:
        raise InvalidDataFile("there is no such object", where=where, fix="name bucket and key of one") from error
    except OSError as error:
        raise StorageError(
            f"the store did not do it: {error}",
            where=where,
            fix="see --s3-endpoint, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY; then run the same command again",
        ) from error
