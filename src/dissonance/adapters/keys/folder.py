"""The key folder: every long-lived secret of an installation, in files made once (design section 4).

| file | what it is |
|---|---|
| `key-encryption.key` | 32 bytes; wraps the keys of data subjects, and every purpose key is derived from it |
| `nats-store.key` | encrypts the broker's files at rest |
| `nats-password` | of the broker's account for commands |
| `nats/` | seeds of the roles' nkeys, made at `up` (`adapters.nats.credentials`) |
| `issuer.pem` | ES256 (P-256) private key of the local token issuer |
| `signing.pem` | Ed25519 private key that signs models |
| `versions/` | a part of each key-encryption key, made with it and destroyed with it (`adapters.keys.parts`) |

Where a guard keeps the root key (`key-encryption.key`; ADR 57), its file is a document that only the guard opens, and
the other files are sealed under a key derived from it; those of `versions` always are.

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

from dissonance.adapters.embedded.files import write_atomically
from dissonance.adapters.keys.documents import GuardName, guard_of
from dissonance.adapters.keys.files import destroy
from dissonance.adapters.keys.guards import Guards
from dissonance.adapters.synced import sync_folder
from dissonance.errors import DataFolderError, SealBroken
from dissonance.ports.clock import Randomness
from dissonance.security.envelope import NONCE_BYTES, open_sealed, seal
from dissonance.security.p256 import new_private_key

KEY_BYTES = 32
KEY_ENCRYPTION = "key-encryption.key"
NATS_STORE = "nats-store.key"
NATS_PASSWORD = "nats-password"  # noqa: S105 - a file's name
ISSUER = "issuer.pem"
SIGNING = "signing.pem"

SEALED = b"dissonance-sealed-1|"
"""How a sealed file begins."""

NO_GUARDS = Guards()


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
    guard: GuardName = GuardName.FILE

    def __repr__(self) -> str:
        """Without the secrets: it may end up in a log."""
        return f"KeyFolder({str(self.folder)!r}, guard={self.guard.value})"

    @classmethod
    def open_or_create(cls, folder: Path, randomness: Randomness, guards: Guards = NO_GUARDS) -> KeyFolder:
        """The keys in `folder`, made when there is no folder yet.

        Raises `DataFolderError` when a file of an existing folder is missing, damaged or cannot be read or written, and
        what the guard of its root key raises.
        """
        try:
            if not folder.is_dir() or not any(folder.iterdir()):
                _create(folder, randomness, guards)
            return cls._read(folder, guards)
        except OSError as error:
            raise unusable(folder, error) from error

    @classmethod
    def _read(cls, folder: Path, guards: Guards) -> KeyFolder:
        content = _content(folder, KEY_ENCRYPTION)
        key = guards.opened(content)
        if len(key) != KEY_BYTES:
            raise DataFolderError(
                f"the key-encryption key has {len(key)} bytes, not {KEY_BYTES}",
                where=str(folder / KEY_ENCRYPTION),
                fix="restore the key folder from its backup",
            )
        return cls(
            folder=folder,
            key_encryption_key=key,
            nats_store_key=secret(folder, NATS_STORE, key).decode("ascii"),
            nats_password=secret(folder, NATS_PASSWORD, key).decode("ascii"),
            issuer_private_key_pem=secret(folder, ISSUER, key),
            signing_private_key_pem=secret(folder, SIGNING, key),
            guard=guard_of(content),
        )

    def protect(self, guards: Guards, name: GuardName, randomness: Randomness) -> KeyFolder:
        """Give the root key to another guard, or to the same one with another passphrase.

        The other files are sealed first and the root key's is replaced last, each whole: cut short at any moment, the
        folder opens as before or as afterwards. Raises as `open_or_create` does; nothing is changed then.
        """
        try:
            document = guards.protected(self.key_encryption_key, name)
            if guards.opened(document) != self.key_encryption_key:
                raise SealBroken("the guard gave back another key", where=str(self.folder), fix="take another guard")
            for path in sorted(self.folder.iterdir()):
                if path.name != KEY_ENCRYPTION and path.is_file() and not path.name.startswith("."):
                    content = secret(self.folder, path.name, self.key_encryption_key)
                    write_atomically(path, sealed_secret(path.name, content, self.key_encryption_key, randomness))
            write_atomically(self.folder / KEY_ENCRYPTION, document)
            self._sweep()
        except OSError as error:
            raise unusable(self.folder, error) from error
        return self._read(self.folder, guards)

    def _sweep(self) -> None:
        """What was cut short before: one left by `protect file` is the root key itself."""
        for path in self.folder.glob(".*.part"):
            destroy(path)

    def renew(self, guards: Guards) -> None:
        """Another document of the same root key, under a new key of the guard. Raises as `open_or_create` does."""
        guard = guards.named(self.guard)
        if guard is None:
            raise DataFolderError(
                "nobody guards the root key",
                where=str(self.folder / KEY_ENCRYPTION),
                fix="give it a guard: dissonance keys protect passphrase",
            )
        try:
            document = guard.renew(_content(self.folder, KEY_ENCRYPTION))
            if guard.open(document) != self.key_encryption_key:
                raise SealBroken("the guard gave back another key", where=str(self.folder), fix="take another guard")
            write_atomically(self.folder / KEY_ENCRYPTION, document)
        except OSError as error:
            raise unusable(self.folder, error) from error

    def derive(self, purpose: str) -> bytes:
        """A 32-byte key for one purpose, by HKDF-SHA-256 (RFC 5869) from the key-encryption key.

        The same purpose always gives the same key; knowing one says nothing about another.

        >>> keys = KeyFolder(Path("k"), bytes(32), "a", "b", b"", b"")
        >>> keys.derive("artefacts") == keys.derive("artefacts") != keys.derive("data-subjects")
        True
        """
        return _derived(self.key_encryption_key, purpose)


def secret(folder: Path, name: str, root_key: bytes) -> bytes:
    """The content of a file of the folder, opened where it is sealed. Raises `DataFolderError` or `SealBroken`."""
    content = _content(folder, name)
    return opened_secret(folder, name, content, root_key) if content.startswith(SEALED) else content


def opened_secret(folder: Path, name: str, content: bytes, root_key: bytes) -> bytes:
    """What `sealed_secret` sealed. Raises `SealBroken` for anything else."""
    try:
        return open_sealed(_derived(root_key, "key-folder"), content.removeprefix(SEALED), name.encode())
    except SealBroken as error:
        raise SealBroken(
            f"the key file {name} does not open: it was changed, or is of another key folder",
            where=str(folder / name),
            fix="restore the key folder from its backup",
        ) from error


def sealed_secret(name: str, content: bytes, root_key: bytes, randomness: Randomness) -> bytes:
    """What `secret` and `opened_secret` open."""
    nonce = randomness.token(NONCE_BYTES)
    return SEALED + seal(_derived(root_key, "key-folder"), nonce, content, name.encode())


def _derived(root_key: bytes, purpose: str) -> bytes:
    info = f"dissonance/{purpose}".encode()
    return HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=None, info=info).derive(root_key)


def unusable(folder: Path, error: OSError) -> DataFolderError:
    return DataFolderError(
        f"the key folder cannot be used: {error.strerror or error}",
        where=str(error.filename or folder),
        fix="give this user the right to read and write it, and free space on its disk",
    )


def _content(folder: Path, name: str) -> bytes:
    path = folder / name
    if not path.is_file():
        raise DataFolderError(
            f"the key file {name} is missing; a new one would not open what the old one sealed",
            where=str(path),
            fix="restore the key folder from its backup; only for an installation without data: remove the folder",
        )
    return path.read_bytes()


def _create(folder: Path, randomness: Randomness, guards: Guards) -> None:
    """Make all keys beside `folder`, then rename; a start that was cut short leaves only the part beside it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = folder.with_name(f".{folder.name}.{randomness.token(6).hex()}.part")
    part.mkdir(mode=0o700)
    try:
        for name, content in _guarded(_new_keys(randomness), randomness, guards).items():
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


def _guarded(keys: dict[str, bytes], randomness: Randomness, guards: Guards) -> dict[str, bytes]:
    if guards.new is GuardName.FILE:
        return keys
    root_key = keys.pop(KEY_ENCRYPTION)
    sealed = {name: sealed_secret(name, content, root_key, randomness) for name, content in keys.items()}
    return {KEY_ENCRYPTION: guards.protected(root_key, guards.new), **sealed}


def _write_synced(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
