"""Many sealed bytes opened at once, each under a key and with associated data of its own, as `envelope` seals one.

libsodium does it in one call each: it expands the key, looks at the tag, and decrypts. Where the machine has no
instructions for AES, it is done by `cryptography`, which first makes a cipher of each key and takes more than twice as
long (ADR 74). Both open the same, which a test holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import islice, repeat
from operator import itemgetter
from typing import Final

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from nacl.bindings import sodium_init

from dissonance.contracts.joined import cut, cut_alike
from dissonance.security.envelope import KEY_BYTES, NONCE_BYTES, VERSION

try:  # the function as it is: those that PyNaCl documents check so much that they take longer than `cryptography`
    from nacl._sodium import ffi, lib
except ImportError:
    ffi = lib = None

HEADER_BYTES = len(VERSION) + NONCE_BYTES
TAG_BYTES = 16
OVERHEAD_BYTES = HEADER_BYTES + TAG_BYTES

AT_ONCE = 4_096
"""Of so many the processor's cache holds all that is needed to open them."""

_VERSION = VERSION[0]
_NONCE, _BODY = itemgetter(slice(len(VERSION), HEADER_BYTES)), itemgetter(slice(HEADER_BYTES, None))


class DoesNotOpen(Exception):
    """`position`: the first that does not open, counted from 0."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


def by_libsodium(keys: Sequence[bytes], sealed: Sequence[bytes], associated: Iterable[bytes]) -> list[bytes]:
    """As `open_many`. Nothing is handed to libsodium that is shorter than it takes it to be."""
    if min(map(len, sealed), default=0) < OVERHEAD_BYTES or set(map(len, keys)) != {KEY_BYTES}:
        return by_cryptography(keys, sealed, associated)
    opened: list[bytes] = []
    bound = iter(associated)
    for start in range(0, max(len(keys), len(sealed)), AT_ONCE):
        stop = start + AT_ONCE
        part = keys[start:stop], sealed[start:stop], list(islice(bound, AT_ONCE))
        try:
            opened += _alike(*part) if _are_alike(*part) else _each(*part)
        except DoesNotOpen as error:
            raise DoesNotOpen(start + error.position) from error
    return opened


def _are_alike(keys: Sequence[bytes], sealed: Sequence[bytes], associated: Sequence[bytes]) -> bool:
    """Of one length, of more than nothing, with associated data of one length."""
    lengths = set(map(len, sealed))
    return (
        len(keys) == len(sealed) == len(associated)
        and len(lengths) == len(set(map(len, associated))) == 1
        and lengths != {OVERHEAD_BYTES}
    )


def _alike(keys: Sequence[bytes], sealed: Sequence[bytes], associated: Sequence[bytes]) -> list[bytes]:
    """As `_each`, in two thirds of the time: nothing is interpreted between one call and the next."""
    body, size = len(sealed[0]) - HEADER_BYTES, len(sealed[0]) - OVERHEAD_BYTES
    layout = np.dtype([("version", "u1"), ("nonce", f"V{NONCE_BYTES}"), ("body", f"V{body}")])
    table = np.frombuffer(b"".join(sealed), dtype=layout)
    plain = bytearray(size * len(sealed))
    null = repeat(ffi.NULL)
    refused = np.fromiter(
        map(
            lib.crypto_aead_aes256gcm_decrypt,
            ffi.from_buffer(f"unsigned char[][{size}]", plain),
            null,
            null,
            table["body"].tolist(),
            repeat(body),
            associated,
            repeat(len(associated[0])),
            table["nonce"].tolist(),
            keys,
        ),
        dtype=np.int64,
        count=len(sealed),
    )
    broken = (refused != 0) | (table["version"] != _VERSION)
    if broken.any():
        raise DoesNotOpen(int(broken.argmax()))
    return cut_alike(plain, size, len(sealed))


def _each(keys: Sequence[bytes], sealed: Sequence[bytes], associated: Sequence[bytes]) -> list[bytes]:
    sizes = [len(each) - OVERHEAD_BYTES for each in sealed]
    plain = bytearray(sum(sizes) + 1)  # an empty one has no address
    decrypt, null, at = lib.crypto_aead_aes256gcm_decrypt, ffi.NULL, ffi.from_buffer(plain)
    for position, (key, blob, size, bound) in enumerate(zip(keys, sealed, sizes, associated, strict=True)):
        body = _BODY(blob)
        if blob[0] != _VERSION or decrypt(at, null, null, body, len(body), bound, len(bound), _NONCE(blob), key):
            raise DoesNotOpen(position)
        at += size
    return cut(memoryview(plain)[:-1], np.array(sizes))


def by_cryptography(keys: Sequence[bytes], sealed: Sequence[bytes], associated: Iterable[bytes]) -> list[bytes]:
    """As `open_many`. A cipher that is used once is let go of at once: that takes half as long as to keep it."""
    again = {key for key, times in Counter(keys).items() if times > 1}
    ciphers: dict[bytes, AESGCM] = {}
    opened: list[bytes] = []
    for key, blob, bound in zip(keys, sealed, associated, strict=True):
        try:
            if blob[:1] != VERSION or len(blob) < OVERHEAD_BYTES:
                raise InvalidTag
            cipher = ciphers.get(key) or AESGCM(key)
            if key in again:
                ciphers[key] = cipher
            opened.append(cipher.decrypt(blob[1:HEADER_BYTES], blob[HEADER_BYTES:], bound))
        except (InvalidTag, ValueError) as error:
            raise DoesNotOpen(len(opened)) from error
    return opened


def _by_what_there_is() -> Callable[[Sequence[bytes], Sequence[bytes], Iterable[bytes]], list[bytes]]:
    if lib is None:
        return by_cryptography
    sodium_init()  # looks at the processor
    return by_libsodium if lib.crypto_aead_aes256gcm_is_available() == 1 else by_cryptography


open_many: Final = _by_what_there_is()
"""What was sealed, in order: `keys` of 32 bytes, `sealed` as `envelope.seal` returns it, `associated` with the version
before it. Raises `DoesNotOpen` for the first that does not."""
