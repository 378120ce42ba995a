"""Tokens of logins between one command and the next: in a keyring, or in a file for its owner alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from keyring.errors import KeyringError, NoKeyringError

from dissonance.adapters.keys.kept_tokens import FILE, NOBODY, SERVICE, KeptLogin, KeptTokens
from dissonance.errors import ConfigurationError

LOGIN = KeptLogin("a.b.c", "dsr_x", "https://127.0.0.1:8443")


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


class Locked(Ring):
    def get_password(self, service: str, name: str) -> str | None:
        raise KeyringError

    def delete_password(self, service: str, name: str) -> None:
        raise KeyringError


def test_a_keyring_has_the_login_and_the_file_only_that_there_is_one(tmp_path: Path) -> None:
    ring = Ring()
    kept = KeptTokens(tmp_path / "new", ring)

    assert kept.keep("/data/keys", LOGIN)
    assert kept.login("/data/keys") == LOGIN
    assert (tmp_path / "new" / FILE).read_text() == '{"/data/keys":{}}'
    assert kept.forget("/data/keys") == LOGIN
    assert (ring, kept.login("/data/keys")) == ({}, NOBODY)


def test_what_was_kept_before_there_were_refresh_tokens_is_a_token_alone(tmp_path: Path) -> None:
    kept = KeptTokens(tmp_path, Ring({(SERVICE, "/data/keys"): "a.b.c"}))
    (tmp_path / FILE).write_text('{"/data/keys":{}}')
    (tmp_path / FILE).chmod(0o600)

    assert kept.login("/data/keys") == KeptLogin("a.b.c")


def test_a_login_of_a_keyring_that_is_locked_can_be_forgotten_but_not_used(tmp_path: Path) -> None:
    kept = KeptTokens(tmp_path, Ring())
    kept.keep("/data/keys", LOGIN)
    locked = KeptTokens(tmp_path, Locked())

    with pytest.raises(ConfigurationError, match="keyring"):
        locked.login("/data/keys")
    assert locked.forget("/data/keys") == NOBODY
    assert locked.login("/data/keys") == NOBODY


@pytest.mark.parametrize("ring", [NoRing(), None], ids=["no keyring", "none wanted"])
def test_without_a_keyring_only_the_owner_may_read_the_file(tmp_path: Path, ring: Ring | None) -> None:
    kept = KeptTokens(tmp_path / "new", ring)

    assert not kept.keep("/data/keys", LOGIN)
    assert kept.login("/data/keys") == LOGIN
    assert (tmp_path / "new" / FILE).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_each_installation_has_a_login_of_its_own(tmp_path: Path) -> None:
    kept = KeptTokens(tmp_path, None)
    kept.keep("/one", KeptLogin("1"))
    kept.keep("/two", KeptLogin("2"))

    assert kept.forget("/one") == KeptLogin("1")
    assert kept.forget("/one") is None
    assert (kept.login("/one"), kept.login("/two")) == (NOBODY, KeptLogin("2"))


def test_a_file_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    kept = KeptTokens(tmp_path, None)
    kept.keep("/one", LOGIN)
    (tmp_path / FILE).chmod(0o644)

    with pytest.raises(ConfigurationError, match="others than its owner"):
        kept.login("/one")


def test_a_file_that_is_none_of_ours_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("mine")
    (tmp_path / FILE).chmod(0o600)

    with pytest.raises(ConfigurationError):
        KeptTokens(tmp_path, None).keep("/one", LOGIN)
    assert (tmp_path / FILE).read_text() == "mine"
