"""A secret is read from where only its owner can put it, and no error tells any of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dissonance.adapters.keys.secrets import read_secret
from dissonance.errors import ConfigurationError

SECRET = "six words that were drawn by dice"


def written(path: Path, content: str, mode: int = 0o600) -> Path:
    path.write_text(content)
    path.chmod(mode)
    return path


def test_first_line_of_a_private_file_is_the_secret(tmp_path: Path) -> None:
    assert read_secret(f"file:{written(tmp_path / 'secret', SECRET + chr(10) + 'a note')}") == SECRET


def test_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="others than its owner") as caught:
        read_secret(f"file:{written(tmp_path / 'secret', SECRET, 0o640)}")
    assert SECRET not in str(caught.value)


def test_descriptor_is_read_once() -> None:
    reading, writing = os.pipe()
    os.write(writing, SECRET.encode() + b"\n")
    os.close(writing)
    assert read_secret(f"fd:{reading}") == SECRET
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_secret(f"fd:{reading}")


@pytest.mark.parametrize("source", ["", SECRET, "env:PASSPHRASE", "file:", "fd:one", "keyring:service", "keyring:/x"])
def test_source_that_is_no_place_is_refused_without_being_repeated(source: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_secret(source)
    assert SECRET not in str(caught.value)


def test_empty_file_and_missing_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no secret in it"):
        read_secret(f"file:{written(tmp_path / 'empty', '')}")
    with pytest.raises(ConfigurationError, match="FileNotFoundError"):
        read_secret(f"file:{tmp_path / 'nothing'}")
