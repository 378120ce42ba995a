"""Sealing by row: AES-256-GCM (NIST SP 800-38D) with associated data.

A sealed row is `version (1) | nonce (12) | ciphertext and tag`. The associated data binds it to its
task, row and data subject, so that a blob moved to another row does not open.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dissonance.errors import SealBroken

VERSION = b"\x01"
NONCE_BYTES = 12
KEY_BYTES = 32


def associated_data(task_id: str, row_id: bytes, data_subject: bytes) -> bytes:
    """`row_id` is the prediction id (16 bytes), or the row number of a reference row (8 bytes)."""
    return b"|".join((b"dissonance-row", task_id.encode(), row_id, data_subject))


def seal(key: bytes, nonce: bytes, plain: bytes, associated: bytes) -> bytes:
    """`nonce` is 12 random bytes, never used twice under one key.

    >>> key, nonce = bytes(32), bytes(12)
    >>> open_sealed(key, seal(key, nonce, b"row", b"id"), b"id")
    b'row'
    """
    return VERSION + nonce + AESGCM(key).encrypt(nonce, plain, VERSION + associated)


def open_sealed(key: bytes, sealed: bytes, associated: bytes) -> bytes:
    """Raises `SealBroken` when key, bytes or associated data are not those it was sealed with."""
    if sealed[:1] != VERSION or len(sealed) < 1 + NONCE_BYTES + 16:
        raise SealBroken("not sealed bytes of version 1", where="sealed row", fix="restore it from a backup")
    nonce, body = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
    try:
        return AESGCM(key).decrypt(nonce, body, VERSION + associated)
    except InvalidTag as error:
        raise SealBroken(
            "the bytes, the key or the row they belong to changed", where="sealed row", fix="restore it from a backup"
        ) from error
