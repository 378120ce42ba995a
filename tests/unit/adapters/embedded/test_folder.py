"""What the data folder accepts, continues, upgrades and refuses; what it refuses stays as it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dissonance.adapters.embedded.folder import DataFolder
from dissonance.errors import DataFolderBusy, DataFolderError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_new_folder_gets_its_layout(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "deep" / "data")
    folder.open()
    assert folder.version.read_text() == "1\n"
    assert folder.lock.read_text() == f"{os.getpid()}\n"
    assert names(folder.root) == ["VERSION", "lock", "logs", "mlflow", "nats"]
    folder.close()


def test_second_opener_is_told_the_pid_of_the_first(tmp_path: Path) -> None:
    first, second = DataFolder(tmp_path), DataFolder(tmp_path)
    first.open()
    with pytest.raises(DataFolderBusy, match=f"pid {os.getpid()}"):
        second.open()
    assert not second.is_locked
    first.close()
    second.open()
    second.close()


def test_stale_lock_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("999999\n")
    folder = DataFolder(tmp_path)
    folder.open()
    assert folder.lock.read_text() == f"{os.getpid()}\n"
    folder.close()


def test_folder_of_a_start_that_was_cut_short_is_continued(tmp_path: Path) -> None:
    (tmp_path / "postgres.initialising").mkdir()
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "signing.pem").write_text("kept")
    (tmp_path / ".VERSION.12.part").write_text("")
    folder = DataFolder(tmp_path)
    folder.open()
    assert folder.version.read_text() == "1\n"
    assert (tmp_path / "keys" / "signing.pem").read_text() == "kept"
    folder.close()


def test_folder_with_other_things_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("words")
    with pytest.raises(DataFolderError, match=r"thesis\.tex"):
        DataFolder(tmp_path).open()
    assert names(tmp_path) == ["thesis.tex"]


def test_full_disk_is_refused_untouched(tmp_path: Path) -> None:
    with pytest.raises(DataFolderError, match="3 MB are free, 200 MB are needed"):
        DataFolder(tmp_path).open(free_bytes=lambda path: 3 * 1024 * 1024)
    assert names(tmp_path) == []


def test_place_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataFolderError, match="File exists"):
        DataFolder(tmp_path / "file").open()


def test_newer_layout_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "VERSION").write_text("2\n")
    folder = DataFolder(tmp_path)
    with pytest.raises(DataFolderError, match="version 2, this program knows 1"):
        folder.open()
    assert (tmp_path / "VERSION").read_text() == "2\n"
    assert not folder.is_locked


def test_unreadable_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "VERSION").write_text("one\n")
    with pytest.raises(DataFolderError, match="'one'"):
        DataFolder(tmp_path).open()


def test_older_layout_is_upgraded_step_by_step(tmp_path: Path) -> None:
    (tmp_path / "VERSION").write_text("1\n")
    seen: list[str] = []
    folder = DataFolder(tmp_path)
    folder.open(
        layout_version=3,
        migrations={
            1: lambda root: seen.append(f"1 to 2 at {(root / 'VERSION').read_text().strip()}"),
            2: lambda root: seen.append(f"2 to 3 at {(root / 'VERSION').read_text().strip()}"),
        },
    )
    assert seen == ["1 to 2 at 1", "2 to 3 at 2"]
    assert folder.version.read_text() == "3\n"
    folder.close()


def test_migration_that_fails_leaves_the_version_it_reached(tmp_path: Path) -> None:
    (tmp_path / "VERSION").write_text("1\n")

    def fails(root: Path) -> None:
        raise OSError(28, "No space left on device", str(root))

    folder = DataFolder(tmp_path)
    with pytest.raises(DataFolderError, match="No space left"):
        folder.open(layout_version=3, migrations={1: lambda root: None, 2: fails})
    assert folder.version.read_text() == "2\n"
    assert not folder.is_locked


def test_layout_without_a_way_forward_is_refused(tmp_path: Path) -> None:
    (tmp_path / "VERSION").write_text("1\n")
    with pytest.raises(DataFolderError, match="no way from layout version 1 to 2"):
        DataFolder(tmp_path).open(layout_version=2)
    assert (tmp_path / "VERSION").read_text() == "1\n"
