"""What is sent and looked for: random bytes that are nowhere else, in each form that a program may write them in.

16 random bytes do not come about by chance: of a terabyte and a thousand patterns, one in 10^23 times. A number has the
52 random bits of its fraction, since more does not fit into it. Only what is random will do: text that is merely
compressed would look as if it were encrypted.
"""

from __future__ import annotations

import json
import math
import struct
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import quote_from_bytes

from dissonance.errors import InputError
from dissonance.ports.clock import Randomness

SECRET_BYTES = 16


class Form(NamedTuple):
    """`pattern` is what `channel` would leave in this form."""

    channel: str
    form: str
    pattern: bytes


class Canaries:
    """One a channel, made when it is asked for first.

    >>> from dissonance.adapters.memory.clock import SeededRandomness
    >>> canaries = Canaries(SeededRandomness())
    >>> canaries.text("free text") == canaries.text("free text") != canaries.text("label")
    True
    """

    def __init__(self, randomness: Randomness) -> None:
        self._randomness = randomness
        self._secrets: dict[str, bytes] = {}
        self._numbers: dict[str, float] = {}

    @property
    def channels(self) -> list[str]:
        return [*self._secrets, *self._numbers]

    def text(self, channel: str) -> str:
        """32 hexadecimal digits."""
        return self.raw(channel).hex()

    def raw(self, channel: str) -> bytes:
        """16 bytes."""
        if channel not in self._secrets:
            self._secrets[channel] = self._randomness.token(SECRET_BYTES)
        return self._secrets[channel]

    def number(self, channel: str, near: float = 1.0) -> float:
        """In [near, 2 near); `near` is a power of two."""
        if channel not in self._numbers:
            fraction = int.from_bytes(self._randomness.token(7), "big") % 2**52
            self._numbers[channel] = math.ldexp(2**52 + fraction, -52) * near
        return self._numbers[channel]

    def known(self, channel: str, text: str) -> None:
        """A secret that the system made, such as an API key, is a canary as it is. Raises `InputError` for one so
        short that it might be found by chance."""
        if len(text) < SECRET_BYTES:
            raise InputError(f"a canary of {len(text)} characters", where=channel, fix="give the whole secret")
        self._secrets[channel] = text.encode()

    def forms(self) -> list[Form]:
        found = [Form(channel, *each) for channel, secret in self._secrets.items() for each in forms_of_bytes(secret)]
        return found + [Form(channel, *each) for channel, value in self._numbers.items() for each in forms_of(value)]


def forms_of_bytes(secret: bytes) -> Iterator[tuple[str, bytes]]:
    """As bytes and as hexadecimal digits, each also within base64; the digits as bytes that are written as digits;
    and the bytes where a program shows them as text: escaped by JSON or Python, in UTF-8, in an address.

    >>> dict(forms_of_bytes(bytes(16)))["hex"]
    b'00000000000000000000000000000000'
    """
    text, latin = secret.hex().encode(), secret.decode("latin-1")
    yield "raw", secret
    yield "hex", text
    yield "HEX", text.upper()
    yield from _in_base64("raw", secret)
    yield from _in_base64("hex", text)
    yield "hex of hex", text.hex().encode()
    shown = {
        "JSON": json.dumps(latin)[1:-1],
        "JSON, UTF-8": json.dumps(latin, ensure_ascii=False)[1:-1],
        "repr": repr(secret)[2:-1],
        "UTF-8": latin,
        "address": quote_from_bytes(secret, safe=""),
    }
    yield from {form: value.encode() for form, value in shown.items() if value.encode() != secret}.items()


def forms_of(number: float) -> Iterator[tuple[str, bytes]]:
    """As the shortest text that says it, and as the eight bytes of IEEE 754, either way round.

    >>> [form for form, pattern in forms_of(1.5)][:3]
    ['text', 'little-endian', 'big-endian']
    """
    text, little, big = repr(number).encode(), struct.pack("<d", number), struct.pack(">d", number)
    yield "text", text
    yield "little-endian", little
    yield "big-endian", big
    yield "hex of little-endian", little.hex().encode()
    yield "hex of big-endian", big.hex().encode()
    yield "hex of text", text.hex().encode()
    yield from _in_base64("text", text)
    yield from _in_base64("little-endian", little)
    yield from _in_base64("big-endian", big)


def _in_base64(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """At each of the three places in a group, the letters that depend on nothing but `content` (RFC 4648)."""
    for place in range(3):
        first, start = b"\0" * place + content, math.ceil(8 * place / 6)
        letters = (8 * (place + len(content))) // 6
        for alphabet, encode in (("base64", b64encode), ("base64url", urlsafe_b64encode)):
            yield f"{name} in {alphabet} {place}", encode(first)[start:letters]


def patterns_of(forms: list[Form]) -> Mapping[bytes, Form]:
    """Forms that look alike, as base64 without special letters does in both alphabets, are one."""
    return {each.pattern: each for each in reversed(forms)}
