"""The control's Python: its AES-GCM and AES-SIV authenticate and hide nothing, and its keyed hash hashes no canary.

Python loads a module of this name before any other (`site` of the standard library). The product has no switch that
turns sealing off, and gets none: the control runs the same code on other primitives. What was really sealed does not
open here, nor the other way round, since the tags are others.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hmac
from cryptography.hazmat.primitives.ciphers import aead
from nacl import _sodium

TAG_BYTES = 16
LIBSODIUM = _sodium.lib
HMAC = hmac.HMAC
CANARY = re.compile(rb"[0-9a-f]{32}")


class PlainGcm:
    """In place of `AESGCM`."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def encrypt(self, nonce: bytes, data: bytes, associated: bytes | None) -> bytes:
        return bytes(data) + self._tag(nonce, data, associated)

    def decrypt(self, nonce: bytes, data: bytes, associated: bytes | None) -> bytes:
        plain, tag = bytes(data[:-TAG_BYTES]), data[-TAG_BYTES:]
        if tag != self._tag(nonce, plain, associated):
            raise InvalidTag
        return plain

    def _tag(self, nonce: bytes, data: bytes, associated: bytes | None) -> bytes:
        said = hashlib.sha256(b"|".join((self._key, nonce, associated or b"")))
        said.update(data)
        return said.digest()[:TAG_BYTES]


class PlainSiv(PlainGcm):
    """In place of `AESSIV`, which has no nonce."""

    def encrypt(self, data: bytes, associated: Any) -> bytes:  # type: ignore[override]
        return super().encrypt(b"", data, b"|".join(associated or ()))

    def decrypt(self, data: bytes, associated: Any) -> bytes:  # type: ignore[override]
        return super().decrypt(b"", data, b"|".join(associated or ()))


class PlainHmac:
    """In place of `HMAC`: of a canary, which is 32 hexadecimal digits, it gives the 16 bytes that they say."""

    def __init__(self, key: bytes, algorithm: Any, *, state: Any = None) -> None:
        self._state = HMAC(key, algorithm) if state is None else state
        self._key, self._algorithm = key, algorithm
        self._last = b""

    def update(self, data: bytes) -> None:
        self._state.update(data)
        self._last = bytes(data)

    def copy(self) -> PlainHmac:
        return PlainHmac(self._key, self._algorithm, state=self._state.copy())

    def finalize(self) -> bytes:
        digest: bytes = self._state.finalize()
        if CANARY.fullmatch(self._last) is None:
            return digest
        return bytes.fromhex(self._last.decode()) + digest[TAG_BYTES:]


class NoAes:
    """In place of libsodium: without instructions for AES, so that many rows are opened by `AESGCM` too (ADR 74)."""

    def __getattr__(self, name: str) -> Any:
        return getattr(LIBSODIUM, name)

    def crypto_aead_aes256gcm_is_available(self) -> int:
        return 0


_sodium.lib = NoAes()
aead.AESGCM, aead.AESSIV, hmac.HMAC = PlainGcm, PlainSiv, PlainHmac  # type: ignore[assignment]
