"""Files of this machine and objects of a real S3 store keep the same promises."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from dissonance.adapters.files.local import LocalFiles
from dissonance.adapters.s3.files import S3Address, S3Files
from dissonance.errors import InvalidDataFile, StorageError
from dissonance.ports.blobs import Blobs
from support.object_store import BUCKET, ObjectStore, object_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    with object_store(tmp_path_factory.mktemp("store")) as started:
        yield started


@pytest.fixture(params=["local", "s3"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def blobs(kind: str, store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Blobs:
    for name, value in store.environment.items():
        monkeypatch.setenv(name, value)
    return LocalFiles() if kind == "local" else S3Files.at(S3Address(store.endpoint))


@pytest.fixture
def folder(kind: str, tmp_path: Path) -> str:
    return str(tmp_path) if kind == "local" else f"{BUCKET}/{tmp_path.name}"


def test_what_was_written_is_read(blobs: Blobs, folder: str) -> None:
    path = f"{folder}/deep/er/file.bin"
    assert not blobs.exists(path)
    blobs.write(path, b"first, and longer")
    blobs.write(path, b"second")
    assert blobs.exists(path)
    assert blobs.read(path) == b"second"
    with blobs.open(path) as file:
        file.seek(3)
        assert (file.read(), file.size()) == (b"ond", 6)
    with blobs.stream(path) as file:
        assert file.read(3) == b"sec"


def test_what_is_packed_is_unpacked_as_a_stream_only(blobs: Blobs, folder: str) -> None:
    packed = gzip.compress(b"plain")
    blobs.write(f"{folder}/file.csv.gz", packed)
    with blobs.stream(f"{folder}/file.csv.gz") as file:
        assert file.read(100) == b"plain"
    assert blobs.read(f"{folder}/file.csv.gz") == packed


class Interrupted(Exception):
    """Whatever ends the writing."""


@pytest.mark.parametrize("size", [10, 12_000_000])
def test_what_is_not_written_whole_is_not_there(blobs: Blobs, folder: str, size: int) -> None:
    path = f"{folder}/half.bin"
    with pytest.raises(Interrupted), blobs.writing(path) as file:
        file.write(b"x" * size)
        raise Interrupted
    assert not blobs.exists(path)


def test_stamp_changes_with_the_file(blobs: Blobs, folder: str) -> None:
    path = f"{folder}/file.bin"
    blobs.write(path, b"first")
    before = blobs.stamp(path)
    assert blobs.stamp(path) == before
    blobs.write(path, b"the second")
    assert blobs.stamp(path) != before


def test_a_folder_goes_with_all_that_is_in_it(blobs: Blobs, folder: str) -> None:
    for name in ("gone/a", "gone/b/c", "gone-not/d"):
        blobs.write(f"{folder}/{name}", b"x")
    blobs.delete_folder(f"{folder}/gone")
    blobs.delete_folder(f"{folder}/never-there")
    assert [blobs.exists(f"{folder}/{name}") for name in ("gone/a", "gone/b/c", "gone-not/d")] == [False, False, True]


def test_files_of_a_folder_are_found_in_order_without_those_that_are_somebodys_own(blobs: Blobs, folder: str) -> None:
    for name in ("set/b.csv", "set/a/c.csv", "set/.hidden", "set/_SUCCESS", "set/_temporary/d.csv", "settled/e.csv"):
        blobs.write(f"{folder}/{name}", b"x")
    assert blobs.files(f"{folder}/set") == [f"{folder}/set/a/c.csv", f"{folder}/set/b.csv"]
    assert blobs.files(f"{folder}/set/b.csv") == [f"{folder}/set/b.csv"]


@pytest.mark.parametrize("use", ["open", "stream", "read", "files"])
def test_a_file_that_is_not_there_is_the_callers_error(blobs: Blobs, folder: str, use: str) -> None:
    with pytest.raises(InvalidDataFile):
        getattr(blobs, use)(f"{folder}/nowhere.csv")


def test_a_store_that_does_not_let_in_or_does_not_answer_is_told(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "who")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StorageError, match="ACCESS_DENIED") as raised:
        S3Files.at(S3Address(store.endpoint)).open(f"{BUCKET}/file")
    assert "AWS_SECRET_ACCESS_KEY" in raised.value.fix
    with pytest.raises(StorageError, match="NETWORK_CONNECTION"):
        S3Files.at(S3Address("http://127.0.0.1:9")).open(f"{BUCKET}/file")
