"""How a root key rests: 32 bytes as they are, or a document of JSON that names its guard."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

import msgspec

from dissonance.contracts.unreadable import UNREADABLE
from dissonance.errors import SealBroken

T = TypeVar("T", bound=msgspec.Struct)

FORMAT = "dissonance root key 1"
WHERE = "root key"


class GuardName(StrEnum):
    """Stored: never rename one."""

    FILE = "file"  # whoever can read the file has the key
    PASSPHRASE = "passphrase"  # noqa: S105 - a guard's name
    TRANSIT = "transit"  # OpenBao or Vault


class Passphrase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`n`, `r`, `p`: cost of scrypt (RFC 7914). `sealed`: the root key under the key that scrypt made."""

    n: int
    r: int
    p: int
    salt: bytes
    sealed: bytes
    format: str = FORMAT
    guard: GuardName = GuardName.PASSPHRASE


class Transit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`ciphertext`: as the transit engine at `mount` gave it for its key `key`."""

    mount: str
    key: str
    ciphertext: str
    format: str = FORMAT
    guard: GuardName = GuardName.TRANSIT


class _Head(msgspec.Struct, frozen=True):
    guard: GuardName
    format: str


def guard_of(content: bytes) -> GuardName:
    """
    >>> guard_of(bytes(32)).value
    'file'
    """
    try:
        head = msgspec.json.decode(content, type=_Head)
    except UNREADABLE:
        return GuardName.FILE
    return head.guard if head.format == FORMAT else GuardName.FILE


def read_document(content: bytes, kind: type[T]) -> T:
    """Raises `SealBroken`."""
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.MsgspecError as error:
        raise SealBroken(
            f"the document of the root key is damaged: {error}",
            where=WHERE,
            fix="restore the key folder from its backup",
        ) from error
