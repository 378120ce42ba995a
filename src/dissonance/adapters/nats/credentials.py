"""Who a process is to the broker: an nkey (Ed25519) whose seed is in a file of its own."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import nkeys  # type: ignore[import-untyped]  # it ships no types

from dissonance.adapters.nats.permissions import inbox_of
from dissonance.adapters.synced import sync_folder
from dissonance.errors import ConfigurationError, DataFolderError
from dissonance.ports.clock import Randomness

SEED_BYTES = 32
SUFFIX = ".nk"

NATS_KEYS = "nats"
"""Folder of the seeds, within the key folder."""


class Credentials(NamedTuple):
    """`name`: as in `NEEDS`; of a part whose inbox is its own, or "" for one that has the inbox of everybody.

    `file`: with a seed, or what `nsc` made (JWT and seed).
    """

    name: str
    file: Path

    def options(self) -> dict[str, Any]:
        """For nats-py's `connect`. Raises `ConfigurationError` when the file cannot be read."""
        try:
            text = self.file.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"the credentials for NATS cannot be read: {error}",
                where=str(self.file),
                fix="name the file with the seed of an nkey, or one that nsc made: DISSONANCE_NATS_CREDENTIALS",
            ) from error
        inbox = {"inbox_prefix": inbox_of(self.name)} if self.name else {}
        if text.lstrip().startswith("-----BEGIN NATS"):
            return {"user_credentials": str(self.file), **inbox}
        return {"nkeys_seed_str": text.strip(), **inbox}


def seed_file(folder: Path, name: str) -> Path:
    """
    >>> seed_file(Path("keys/nats"), "critic").name
    'critic.nk'
    """
    return folder / f"{name}{SUFFIX}"


def public_keys(folder: Path, names: Iterable[str], randomness: Randomness) -> dict[str, str]:
    """By name. A seed that is missing is made, in a file of 0600: it opens nothing that was sealed before.

    Raises `DataFolderError` when a file cannot be read or written, or holds no seed.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return {name: _public_key(seed_file(folder, name), randomness) for name in names}
    except (OSError, nkeys.NkeysError) as error:
        raise DataFolderError(
            f"the broker's keys cannot be used: {error}",
            where=str(folder),
            fix="give this user the right to read and write there; a damaged seed may be removed, and is made anew",
        ) from error


def _public_key(file: Path, randomness: Randomness) -> str:
    if not file.exists():
        part = file.with_name(f".{file.name}.{randomness.token(6).hex()}.part")
        seed = nkeys.encode_seed(randomness.token(SEED_BYTES), nkeys.PREFIX_BYTE_USER)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
            opened.write(seed)
            opened.flush()
            os.fsync(opened.fileno())
        part.replace(file)
        sync_folder(file.parent)
    return str(nkeys.from_seed(bytearray(file.read_bytes().strip())).public_key.decode())
