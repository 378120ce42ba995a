"""Many sealed bytes opened at once, each under a key and with associated data of its own, as `envelope` seals one.

libsodium does it in one call each: it expands the key, looks at the tag, and decrypts. Where the machine has no
instructions for AES, it is done by `cryptography`, which first makes a cipher of each key and takes more than twice as
long (ADR 74). Both open the same, which a test holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, islice, pairwise
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from nacl.bindings import sodium_init

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
        try:
            opened += _opened(keys[start:stop], sealed[start:stop], islice(bound, AT_ONCE))
        except DoesNotOpen as error:
            raise DoesNotOpen(start + error.position) from error
    return opened


def _opened(keys: Sequence[bytes], sealed: Sequence[bytes], associated: Iterable[bytes]) -> list[bytes]:
    sizes = [len(each) - OVERHEAD_BYTES for each in sealed]
    plain = bytearray(sum(sizes) + 1)  # an empty one has no address
    decrypt, null, at = lib.crypto_aead_aes256gcm_decrypt, ffi.NULL, ffi.from_buffer(plain)
    for position, (key, blob, size, bound) in enumerate(zip(keys, sealed, sizes, associated, strict=True)):
        body, nonce = blob[HEADER_BYTES:], blob[len(VERSION) : HEADER_BYTES]
        if blob[0] != _VERSION or decrypt(at, null, null, body, len(body), bound, len(bound), nonce, key):
            raise DoesNotOpen(position)
        at += size
    joined = bytes(plain)
    return [joined[start:stop] for start, stop in pairwise(accumulate(sizes, initial=0))]


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
