from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from dissonance.cli.private_files import private_file
from dissonance.errors import InputError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def open_umask() -> object:
    before = os.umask(0)
    yield
    os.umask(before)


def test_what_is_written_is_readable_by_its_owner_only_also_where_everybody_could_before(tmp_path: Path) -> None:
    new, old = tmp_path / "new", tmp_path / "old"
    old.write_text("longer than what comes")
    old.chmod(0o644)
    for path in (new, old):
        with private_file(path) as file:
            file.write(b"rows")
        assert (path.read_bytes(), mode(path)) == (b"rows", 0o600)


def test_a_place_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"), private_file(tmp_path / "none" / "file"):
        pass


def test_a_device_is_written_to_and_stays_what_it_is() -> None:
    before = mode(Path("/dev/null"))
    with private_file(Path("/dev/null")) as file:
        file.write(b"rows")
    assert mode(Path("/dev/null")) == before
