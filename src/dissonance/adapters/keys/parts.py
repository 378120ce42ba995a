"""Parts of key-encryption keys in the key folder: `versions/<id in hexadecimal>`, a file of 0600 each (ADR 73).

Each is sealed under the root key, whoever guards that: so none is ever there in plain, and a part that is made while
the root key goes to another guard needs no second look. Files of an id that no version names are of a rotation that was
cut short before it was in the database, or of versions that a restored keys database does not know.

A symbolic link is refused: what it leads to may be another's, and would outlive a part that was destroyed.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from dissonance.adapters.embedded.files import write_atomically
from dissonance.adapters.keys.files import content_of, destroy
from dissonance.adapters.keys.folder import opened_secret, sealed_secret, unusable
from dissonance.adapters.synced import sync_folder
from dissonance.errors import DataFolderError, KeyPartMissing, SealBroken
from dissonance.ports.clock import Randomness
from dissonance.ports.key_parts import PART_BYTES

FOLDER = "versions"

OURS = re.compile(r"[0-9a-f]{32}|\.[0-9a-f]{32}\.\d+\.part")
"""Names of parts, their ids in hexadecimal, and of what `write_atomically` leaves where it is cut short."""


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
            try:
                content = content_of(path)
            except FileNotFoundError as error:
                raise _missing(path, version) from error
        part = opened_secret(self._folder, name, content, self._root_key)
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
            try:
                path.lstat()
            except FileNotFoundError:
                return False
            return True

    def destroy(self, part_id: bytes) -> None:
        path = self._folder / _name(part_id)
        with _usable(path):
            destroy(path)

    def unneeded(self, named: Collection[bytes]) -> int:
        return len(self._unneeded(named))

    def sweep(self, named: Collection[bytes]) -> int:
        unneeded = self._unneeded(named)
        for path in unneeded:
            with _usable(path):
                destroy(path)
        return len(unneeded)

    def _unneeded(self, named: Collection[bytes]) -> list[Path]:
        folder, kept = self._folder / FOLDER, {part_id.hex() for part_id in named}
        with _usable(folder):
            there = sorted(folder.iterdir()) if folder.is_dir() else []
        return [path for path in there if OURS.fullmatch(path.name) and path.name not in kept]


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
        if error.errno == errno.ELOOP:
            raise _linked(path) from error
        raise unusable(path, error) from error


def _linked(path: Path) -> DataFolderError:
    return DataFolderError(
        "the part of a key-encryption key is a symbolic link, which is not followed",
        where=str(path),
        fix="put the file that it leads to in its place",
    )
