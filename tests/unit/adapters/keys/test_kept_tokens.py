"""Tokens of logins between one command and the next: in a keyring, or in a file for its owner alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from keyring.errors import NoKeyringError

from dissonance.adapters.keys.kept_tokens import FILE, KeptTokens
from dissonance.errors import ConfigurationError


class Ring(dict[tuple[str, str], str]):
    """A keyring that works."""

    def get_password(self, service: str, name: str) -> str | None:
        return self.get((service, name))

    def set_password(self, service: str, name: str, password: str) -> None:
        self[service, name] = password

    def delete_password(self, service: str, name: str) -> None:
        del self[service, name]


class NoRing(Ring):
    """What `keyring` gives where the system has none."""

    def set_password(self, service: str, name: str, password: str) -> None:
        raise NoKeyringError


def test_a_keyring_has_the_token_and_the_file_only_that_there_is_one(tmp_path: Path) -> None:
    ring = Ring()
    kept = KeptTokens(tmp_path / "new", ring)

    assert kept.keep("/data/keys", "a.b.c")
    assert kept.token("/data/keys") == "a.b.c"
    assert "a.b.c" not in (tmp_path / "new" / FILE).read_text()
    assert kept.forget("/data/keys")
    assert (ring, kept.token("/data/keys")) == ({}, "")


@pytest.mark.parametrize("ring", [NoRing(), None], ids=["no keyring", "none wanted"])
def test_without_a_keyring_only_the_owner_may_read_the_file(tmp_path: Path, ring: Ring | None) -> None:
    kept = KeptTokens(tmp_path / "new", ring)

    assert not kept.keep("/data/keys", "a.b.c")
    assert kept.token("/data/keys") == "a.b.c"
    assert (tmp_path / "new" / FILE).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_each_installation_has_a_token_of_its_own(tmp_path: Path) -> None:
    kept = KeptTokens(tmp_path, None)
    kept.keep("/one", "1")
    kept.keep("/two", "2")

    assert kept.forget("/one")
    assert not kept.forget("/one")
    assert (kept.token("/one"), kept.token("/two")) == ("", "2")


def test_a_file_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    kept = KeptTokens(tmp_path, None)
    kept.keep("/one", "1")
    (tmp_path / FILE).chmod(0o644)

    with pytest.raises(ConfigurationError, match="others than its owner"):
        kept.token("/one")


def test_a_file_that_is_none_of_ours_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("mine")
    (tmp_path / FILE).chmod(0o600)

    with pytest.raises(ConfigurationError):
        KeptTokens(tmp_path, None).keep("/one", "1")
    assert (tmp_path / FILE).read_text() == "mine"
