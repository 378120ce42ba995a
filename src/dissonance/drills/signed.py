"""Signatures of records: a file beside each, made with the Ed25519 key of an installation.

It says that who holds the key wrote these very bytes. `dissonance kpis --verify` checks all of a folder.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from pathlib import Path

import msgspec

from dissonance.errors import DataFolderError
from dissonance.security.signatures import public_key, sign, verifies

PURPOSE = "dissonance record 1"
SUFFIX = ".sig"


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`public_key`, `signature`, `sha256` (of the record's file): hexadecimal."""

    public_key: str
    signature: str
    sha256: str
    purpose: str = PURPOSE


class Standing(StrEnum):
    """What can be said of a record's signature."""

    HOLDS = "signed"
    BROKEN = "signature does not hold"
    UNSIGNED = "not signed"


class Checked(msgspec.Struct, frozen=True):
    """`public_key`: of whoever signed, hexadecimal; empty when nobody did."""

    standing: Standing
    public_key: str = ""


def sign_file(path: Path, seed: bytes) -> Path:
    """Sign a record; returns the file of the signature. `seed`: 32 secret bytes. Raises `DataFolderError`."""
    content = path.read_bytes()
    made = Signature(public_key(seed).hex(), sign(seed, PURPOSE, content).hex(), hashlib.sha256(content).hexdigest())
    beside = path.with_name(path.name + SUFFIX)
    try:
        beside.write_bytes(msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n")
    except OSError as error:
        raise DataFolderError(
            f"the signature was not written: {error}", where=str(beside), fix="choose another folder with --records"
        ) from error
    return beside


def check_file(path: Path) -> Checked:
    """Whether the signature beside a record was made over what the record is now."""
    beside = path.with_name(path.name + SUFFIX)
    if not beside.exists():
        return Checked(Standing.UNSIGNED)
    try:
        found = msgspec.json.decode(beside.read_bytes(), type=Signature)
        key, signature = bytes.fromhex(found.public_key), bytes.fromhex(found.signature)
        holds = found.purpose == PURPOSE and verifies(key, signature, PURPOSE, path.read_bytes())
    except (msgspec.MsgspecError, ValueError, UnicodeDecodeError):
        return Checked(Standing.BROKEN)
    return Checked(Standing.HOLDS if holds else Standing.BROKEN, found.public_key)
