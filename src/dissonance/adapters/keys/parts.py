"""Parts of key-encryption keys in the key folder: `versions/<id in hexadecimal>`, a file of 0600 each (ADR 73).

Each is sealed under the root key, whoever guards that: so none is ever there in plain, and a part that is made while
the root key goes to another guard needs no second look. Files of an id that no version names are of a rotation that was
cut short before it was in the database; they open nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dissonance.adapters.embedded.files import write_atomically
from dissonance.adapters.keys.folder import sealed_secret, secret, unusable
from dissonance.adapters.synced import sync_folder
from dissonance.errors import KeyPartMissing, SealBroken
from dissonance.ports.clock import Randomness
from dissonance.ports.key_parts import PART_BYTES

FOLDER = "versions"


class FolderKeyParts:
    """`ports.key_parts.KeyParts` in `folder`, the key folder. `root_key`: its 32 bytes."""

    def __init__(self, folder: Path, root_key: bytes, randomness: Randomness) -> None:
        self._folder = folder
        self._root_key = root_key
        self._randomness = randomness

    def keep(self, part_id: bytes, part: bytes) -> None:
        name = _name(part_id)
        path = self._folder / name
        with _usable(path):
            if not path.parent.is_dir():
                path.parent.mkdir(mode=0o700, exist_ok=True)
                sync_folder(self._folder)
            write_atomically(path, sealed_secret(name, part, self._root_key, self._randomness))

    def read(self, part_id: bytes, version: int) -> bytes:
        name = _name(part_id)
        path = self._folder / name
        with _usable(path):
            if not path.is_file():
                raise _missing(path, version)
            part = secret(self._folder, name, self._root_key)
        if len(part) != PART_BYTES:
            raise SealBroken(
                f"the part of key-encryption key {version} is damaged",
                where=str(path),
                fix="restore this file from the newest backup of the key folder",
            )
        return part

    def has(self, part_id: bytes) -> bool:
        path = self._folder / _name(part_id)
        with _usable(path):
            return path.is_file()

    def destroy(self, part_id: bytes) -> None:
        """What a disk keeps of overwritten blocks is beyond this, as of every file."""
        path = self._folder / _name(part_id)
        with _usable(path), suppress(FileNotFoundError):
            with path.open("r+b") as file:
                file.write(bytes(os.fstat(file.fileno()).st_size))
                file.flush()
                os.fsync(file.fileno())
            path.unlink()
            sync_folder(path.parent)


def _name(part_id: bytes) -> str:
    return f"{FOLDER}/{part_id.hex()}"


def _missing(path: Path, version: int) -> KeyPartMissing:
    return KeyPartMissing(
        f"the part of key-encryption key {version} is not in the key folder; nothing was changed",
        where=str(path),
        fix="restore this file from the newest backup of the key folder; if the version was destroyed, and the keys "
        "database put back from before that, put back one from after it",
    )


@contextmanager
def _usable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise unusable(path, error) from error
