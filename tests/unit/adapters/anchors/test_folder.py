"""Anchors in a folder: what a power cut leaves, several writers at once, and a disk that takes none."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dissonance.adapters.anchors.folder import AnchorFolder
from dissonance.errors import StorageError

TASK = "a" * 32


def test_a_line_without_its_end_never_counted_and_goes_with_the_next_one(tmp_path: Path) -> None:
    anchors = AnchorFolder(tmp_path)
    assert anchors.append(TASK, b"whole", None)
    file = tmp_path / f"{TASK}.jsonl"
    with file.open("ab") as torn:
        torn.write(b"cut sho")
    assert (anchors.last(TASK), anchors.lines(TASK)) == (b"whole", [b"whole"])
    assert anchors.append(TASK, b"next", b"whole")
    assert file.read_bytes() == b"whole\nnext\n"


def test_a_first_line_that_was_cut_short_is_none(tmp_path: Path) -> None:
    (tmp_path / f"{TASK}.jsonl").write_bytes(b"cut sho")
    anchors = AnchorFolder(tmp_path)
    assert anchors.last(TASK) is None
    assert anchors.append(TASK, b"first", None)
    assert anchors.lines(TASK) == [b"first"]


def test_of_many_writers_at_once_one_adds_after_a_line(tmp_path: Path) -> None:
    def write(number: int) -> bool:
        return AnchorFolder(tmp_path).append(TASK, b"%d" % number, None)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(write, range(32))) == 1
    assert len(AnchorFolder(tmp_path).lines(TASK)) == 1


def test_only_their_owner_reads_them(tmp_path: Path) -> None:
    folder = tmp_path / "anchors"
    AnchorFolder(folder).append(TASK, b"first", None)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / f"{TASK}.jsonl").stat().st_mode) == 0o600


def test_a_folder_that_cannot_be_made_is_told_with_the_setting_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    anchors = AnchorFolder(tmp_path / "file")
    with pytest.raises(StorageError, match="DISSONANCE_ANCHOR_FOLDER"):
        anchors.append(TASK, b"first", None)
    (tmp_path / f"{TASK}.jsonl").mkdir()
    for asked in (AnchorFolder(tmp_path).lines, AnchorFolder(tmp_path).last):
        with pytest.raises(StorageError):
            asked(TASK)
