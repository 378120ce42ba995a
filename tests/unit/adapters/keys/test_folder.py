"""Keys are made once, whole, private; and never made anew for a folder that had them."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from dissonance.adapters.keys.documents import GuardName
from dissonance.adapters.keys.folder import KeyFolder
from dissonance.adapters.keys.guards import Guards
from dissonance.adapters.keys.passphrase import PassphraseGuard
from dissonance.adapters.memory.clock import SeededRandomness
from dissonance.errors import DataFolderError

QUICK_N = 2**4
FILES = ("issuer.pem", "key-encryption.key", "nats-password", "nats-store.key", "signing.pem")


class FullDisk:
    """Fails when the second key is asked for, as a write on a full disk would."""

    def __init__(self) -> None:
        self._calls = 0

    def token(self, size: int) -> bytes:
        self._calls += 1
        if self._calls > 2:
            raise OSError(28, "No space left on device")
        return bytes(size)


def test_keys_are_made_at_the_first_start_and_stay(tmp_path: Path) -> None:
    first = KeyFolder.open_or_create(tmp_path / "new" / "keys", SeededRandomness(1))
    again = KeyFolder.open_or_create(tmp_path / "new" / "keys", SeededRandomness(2))
    assert again == first
    assert sorted(path.name for path in first.folder.iterdir()) == sorted(FILES)
    assert [path.name for path in first.folder.parent.iterdir()] == ["keys"]


def test_keys_are_for_their_user_only(tmp_path: Path) -> None:
    folder = KeyFolder.open_or_create(tmp_path / "keys", SeededRandomness(1)).folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_keys_are_of_the_kinds_their_users_need(tmp_path: Path) -> None:
    keys = KeyFolder.open_or_create(tmp_path / "keys", SeededRandomness(1))
    issuer = load_pem_private_key(keys.issuer_private_key_pem, password=None)
    assert isinstance(issuer, ec.EllipticCurvePrivateKey)
    assert isinstance(issuer.curve, ec.SECP256R1)
    signing = load_pem_private_key(keys.signing_private_key_pem, password=None)
    assert isinstance(signing, ed25519.Ed25519PrivateKey)
    assert len(keys.key_encryption_key) == 32
    assert keys.nats_password[0].isalpha()
    assert keys.nats_store_key[0].isalpha()


def test_two_installations_share_no_key(tmp_path: Path) -> None:
    one = KeyFolder.open_or_create(tmp_path / "one", SeededRandomness(3))
    other = KeyFolder.open_or_create(tmp_path / "other", SeededRandomness(4))
    for name in FILES:
        assert (one.folder / name).read_bytes() != (other.folder / name).read_bytes()


def test_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    assert len(KeyFolder.open_or_create(tmp_path / "keys", SeededRandomness(1)).key_encryption_key) == 32


@pytest.mark.parametrize("name", FILES)
def test_missing_file_is_named_and_never_made_anew(tmp_path: Path, name: str) -> None:
    folder = KeyFolder.open_or_create(tmp_path / "keys", SeededRandomness(1)).folder
    (folder / name).unlink()
    with pytest.raises(DataFolderError, match=name):
        KeyFolder.open_or_create(folder, SeededRandomness(2))
    assert not (folder / name).exists()


def test_shortened_key_is_refused(tmp_path: Path) -> None:
    folder = KeyFolder.open_or_create(tmp_path / "keys", SeededRandomness(1)).folder
    (folder / "key-encryption.key").write_bytes(b"short")
    with pytest.raises(DataFolderError, match="5 bytes"):
        KeyFolder.open_or_create(folder, SeededRandomness(1))


def test_disk_that_fills_up_leaves_no_half_folder(tmp_path: Path) -> None:
    with pytest.raises(DataFolderError, match="No space left"):
        KeyFolder.open_or_create(tmp_path / "keys", FullDisk())
    assert list(tmp_path.iterdir()) == []


def test_derived_keys_differ_by_purpose_and_by_installation(tmp_path: Path) -> None:
    one = KeyFolder.open_or_create(tmp_path / "one", SeededRandomness(3))
    other = KeyFolder.open_or_create(tmp_path / "other", SeededRandomness(4))
    derived = {one.derive("artefacts"), one.derive("data-subjects"), other.derive("artefacts")}
    assert len(derived) == 3
    assert {len(key) for key in derived} == {32}
    assert one.key_encryption_key not in derived


def test_secrets_are_not_in_what_a_log_would_show(tmp_path: Path) -> None:
    keys = KeyFolder.open_or_create(tmp_path / "keys", SeededRandomness(1))
    assert keys.nats_password not in repr(keys) and keys.nats_password not in f"{keys}"
    assert repr(keys.key_encryption_key) not in repr(keys)


def test_root_key_that_was_left_where_its_way_to_a_file_was_cut_short_goes_with_the_next_guard(tmp_path: Path) -> None:
    guard = PassphraseGuard("right horse battery", SeededRandomness(1), QUICK_N)
    guards = Guards({GuardName.PASSPHRASE: lambda: guard}, GuardName.PASSPHRASE)
    keys = KeyFolder.open_or_create(tmp_path / "keys", SeededRandomness(1), guards)
    (keys.folder / ".key-encryption.key.4711.part").write_bytes(keys.key_encryption_key)
    guarded = keys.protect(guards, GuardName.PASSPHRASE, SeededRandomness(2))
    assert guarded == keys
    assert sorted(path.name for path in keys.folder.iterdir()) == sorted(FILES)
