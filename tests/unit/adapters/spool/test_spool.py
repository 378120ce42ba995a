"""Files of a spool: bounded, locked by who writes them, taken over from who ended, cut after a crash."""

from __future__ import annotations

import os
import resource
import stat
from pathlib import Path

import pytest

from dissonance.adapters.spool import spool as spool_module
from dissonance.adapters.spool.segment import ENDING
from dissonance.adapters.spool.spool import Spool

MANY = 2**20


def drain(spool: Spool, at_most_bytes: int = MANY) -> list[bytes]:
    taken: list[bytes] = []
    while (chunk := spool.oldest(at_most_bytes)) is not None:
        taken += chunk.payloads
        spool.drained(chunk)
    return taken


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*"))


def crash(spool: Spool) -> None:
    """As when the process ends: locks go, and nothing else happens."""
    for segment in spool._segments:
        os.close(segment._descriptor)


def test_what_is_appended_comes_out_in_order_and_leaves_no_file(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", "a", MANY)
    assert spool.oldest(MANY) is None and not (tmp_path / "spool").exists()
    spool.append([b"one", b"two"])
    spool.append([b"three"])
    assert spool.size_bytes > 0
    [file] = files(tmp_path / "spool")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700
    assert drain(spool, at_most_bytes=3) == [b"one", b"two", b"three"]
    assert files(tmp_path / "spool") == [] and spool.size_bytes == 0
    spool.append([b"four"])
    assert drain(spool) == [b"four"]


def test_chunk_that_was_not_drained_comes_again(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "a", MANY)
    spool.append([b"one", b"two"])
    first = spool.oldest(1)
    assert first is not None and first.payloads == [b"one"]
    assert spool.oldest(1) == first
    spool.drained(first)
    assert drain(spool) == [b"two"]


def test_full_spool_takes_nothing_of_a_batch_and_takes_more_when_it_was_drained(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "a", 1_000)
    spool.append([b"x" * 600])
    assert spool.has_room()
    with pytest.raises(OSError, match="full"):
        spool.append([b"y" * 10, b"y" * 600])
    assert drain(spool) == [b"x" * 600]
    spool.append([b"y" * 600])
    assert drain(spool) == [b"y" * 600]


def test_spool_of_no_bytes_takes_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", "a", 0)
    assert not spool.has_room()
    with pytest.raises(OSError):
        spool.append([b"one"])
    assert not (tmp_path / "spool").exists()


def test_what_a_process_left_is_taken_over_by_another_and_drained_first(tmp_path: Path) -> None:
    first, second = Spool(tmp_path, "a", MANY), Spool(tmp_path, "b", MANY)
    first.append([b"one", b"two"])
    second.append([b"three"])
    assert second.take_over() == 0  # it is in the hands of the first
    first.close()
    assert second.take_over() == 1
    assert second.take_over() == 0
    assert drain(second) == [b"one", b"two", b"three"]
    assert files(tmp_path) == []


def test_torn_tail_of_a_process_that_was_killed_is_cut(tmp_path: Path) -> None:
    first = Spool(tmp_path, "a", MANY)
    first.append([b"one", b"two"])
    [file] = files(tmp_path)
    whole = file.read_bytes()
    first.append([b"three"])
    torn = file.read_bytes()[:-2]
    crash(first)
    file.write_bytes(torn)
    second = Spool(tmp_path, "b", MANY)
    assert second.take_over() == 1
    assert file.stat().st_size == len(whole)
    assert drain(second) == [b"one", b"two"]


def test_what_was_drained_before_a_crash_is_mostly_not_drained_again(tmp_path: Path) -> None:
    first = Spool(tmp_path, "a", MANY)
    first.append([b"one", b"two"])
    chunk = first.oldest(1)
    assert chunk is not None
    first.drained(chunk)
    crash(first)
    second = Spool(tmp_path, "b", MANY)
    second.take_over()
    assert drain(second) == [b"two"]


def test_disk_that_is_full_takes_nothing_of_a_batch_and_what_was_there_stays(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "a", MANY)
    spool.append([b"one"])
    [file] = files(tmp_path)
    size = file.stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, before[1]))
    try:
        with pytest.raises(OSError):
            spool.append([b"x" * 50, b"y" * 500])
        with pytest.raises(OSError):
            Spool(tmp_path, "b", MANY).append([b"z" * 500])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert file.stat().st_size == size
    spool.append([b"two"])
    assert drain(spool) == [b"one", b"two"]
    assert files(tmp_path) == []


def test_damaged_record_is_counted_and_stops_nothing(tmp_path: Path) -> None:
    first = Spool(tmp_path, "a", MANY)
    first.append([b"one", b"two", b"three"])
    crash(first)
    [file] = files(tmp_path)
    file.write_bytes(file.read_bytes().replace(b"two", b"TWO"))
    second = Spool(tmp_path, "b", MANY)
    second.take_over()
    chunk = second.oldest(MANY)
    assert chunk is not None and (chunk.payloads, chunk.damaged) == ([b"one", b"three"], 1)
    second.drained(chunk)
    assert files(tmp_path) == []


def test_files_of_other_kinds_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / f"odd{ENDING}").write_bytes(b"no spool at all")
    (tmp_path / f"folder{ENDING}").mkdir()
    spool = Spool(tmp_path, "a", MANY)
    spool.take_over()
    assert drain(spool) == []
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_large_file_is_followed_by_another_so_that_its_room_is_free_when_it_is_drained(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "a", 4 * spool_module.SEGMENT_BYTES)
    block = b"x" * (spool_module.SEGMENT_BYTES // 2)
    for _ in range(3):
        spool.append([block])
    assert len(files(tmp_path)) == 2
    chunk = spool.oldest(spool_module.SEGMENT_BYTES)
    assert chunk is not None and len(chunk.payloads) == 2
    spool.drained(chunk)
    assert len(files(tmp_path)) == 1
    assert drain(spool) == [block]
