"""`dissonance demo` before anything is started; the demo itself is walked in the acceptance tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from dissonance.cli import run
from dissonance.errors import DataFolderBusy, DataFolderError, InputError


def test_folder_with_something_in_it_is_refused_and_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").write_text("kept")
    assert run(["demo", "--data", str(tmp_path), "--out", str(tmp_path / "out")]) == DataFolderBusy.exit_code
    assert "not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_folder_that_cannot_be_entered_is_named_with_the_way_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / ("a" * 300)  # the system looks at no such name
    assert run(["demo", "--data", str(data), "--out", str(tmp_path / "out")]) == DataFolderError.exit_code
    assert "name another with --data" in capsys.readouterr().err


def test_number_of_rows_without_a_story_is_refused_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["demo", "--rows", "100", "--data", str(tmp_path / "work"), "--out", str(tmp_path / "out")]
    assert run(arguments) == InputError.exit_code
    assert "20000 to 45000" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "work" / "data").exists()
    assert not (tmp_path / "out").exists()
