"""The key folder: every long-lived secret of an installation, in files made once (design section 4).

| file | what it is |
|---|---|
| `key-encryption.key` | 32 bytes; wraps the keys of data subjects, and every purpose key is derived from it |
| `nats-store.key` | encrypts the broker's files at rest |
| `nats-password` | the broker's only account |
| `issuer.pem` | ES256 (P-256) private key of the local token issuer |
| `signing.pem` | Ed25519 private key that signs models |

The folder appears whole or not at all: it is written beside its place, synced, then renamed. Files are 0600 in
a folder of 0700. A file that is missing later is never made anew, since what it protected would be lost for good.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from dissonance.adapters.synced import sync_folder
from dissonance.errors import DataFolderError
from dissonance.ports.clock import Randomness
from dissonance.security.p256 import new_private_key

KEY_BYTES = 32
KEY_ENCRYPTION = "key-encryption.key"
NATS_STORE = "nats-store.key"
NATS_PASSWORD = "nats-password"  # noqa: S105 - a file's name
ISSUER = "issuer.pem"
SIGNING = "signing.pem"


class KeyFolder(msgspec.Struct, frozen=True):
    """The secrets of one installation, read into memory.

    `key_encryption_key`: 32 bytes. `nats_store_key`, `nats_password`: hexadecimal text that starts with a letter.
    `issuer_private_key_pem`, `signing_private_key_pem`: PKCS #8 in PEM, without a passphrase.
    """

    folder: Path
    key_encryption_key: bytes
    nats_store_key: str
    nats_password: str
    issuer_private_key_pem: bytes
    signing_private_key_pem: bytes

    @classmethod
    def open_or_create(cls, folder: Path, randomness: Randomness) -> KeyFolder:
        """The keys in `folder`, made when there is no folder yet.

        Raises `DataFolderError` when a file of an existing folder is missing, damaged or cannot be read or written.
        """
        try:
            if not folder.is_dir() or not any(folder.iterdir()):
                _create(folder, randomness)
            return cls._read(folder)
        except OSError as error:
            raise DataFolderError(
                f"the key folder cannot be used: {error.strerror or error}",
                where=str(error.filename or folder),
                fix="give this user the right to read and write it, and free space on its disk",
            ) from error

    @classmethod
    def _read(cls, folder: Path) -> KeyFolder:
        key = _content(folder, KEY_ENCRYPTION)
        if len(key) != KEY_BYTES:
            raise DataFolderError(
                f"the key-encryption key has {len(key)} bytes, not {KEY_BYTES}",
                where=str(folder / KEY_ENCRYPTION),
                fix="restore the key folder from its backup",
            )
        return cls(
            folder=folder,
            key_encryption_key=key,
            nats_store_key=_content(folder, NATS_STORE).decode("ascii"),
            nats_password=_content(folder, NATS_PASSWORD).decode("ascii"),
            issuer_private_key_pem=_content(folder, ISSUER),
            signing_private_key_pem=_content(folder, SIGNING),
        )

    def derive(self, purpose: str) -> bytes:
        """A 32-byte key for one purpose, by HKDF-SHA-256 (RFC 5869) from the key-encryption key.

        The same purpose always gives the same key; knowing one says nothing about another.

        >>> keys = KeyFolder(Path("k"), bytes(32), "a", "b", b"", b"")
        >>> keys.derive("artefacts") == keys.derive("artefacts") != keys.derive("data-subjects")
        True
        """
        info = f"dissonance/{purpose}".encode()
        return HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=None, info=info).derive(self.key_encryption_key)


def _content(folder: Path, name: str) -> bytes:
    path = folder / name
    if not path.is_file():
        raise DataFolderError(
            f"the key file {name} is missing; a new one would not open what the old one sealed",
            where=str(path),
            fix="restore the key folder from its backup; only for an installation without data: remove the folder",
        )
    return path.read_bytes()


def _create(folder: Path, randomness: Randomness) -> None:
    """Make all keys beside `folder`, then rename; a start that was cut short leaves only the part beside it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = folder.with_name(f".{folder.name}.{randomness.token(6).hex()}.part")
    part.mkdir(mode=0o700)
    try:
        for name, content in _new_keys(randomness).items():
            _write_synced(part / name, content)
        sync_folder(part)
        try:
            part.rename(folder)
        except OSError:
            # Another process made it first: its keys are as good as ours, and _read says so or what is wrong.
            if not folder.is_dir() or not any(folder.iterdir()):
                raise
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _new_keys(randomness: Randomness) -> dict[str, bytes]:
    issuer = new_private_key(randomness.token)
    signing = ed25519.Ed25519PrivateKey.from_private_bytes(randomness.token(KEY_BYTES))
    pem = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {
        KEY_ENCRYPTION: randomness.token(KEY_BYTES),
        # A leading letter, since the broker's configuration reads bare digits as a number.
        NATS_STORE: b"k" + randomness.token(KEY_BYTES).hex().encode(),
        NATS_PASSWORD: b"p" + randomness.token(KEY_BYTES).hex().encode(),
        ISSUER: issuer.private_bytes(*pem),
        SIGNING: signing.private_bytes(*pem),
    }


def _write_synced(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
