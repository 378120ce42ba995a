"""Prediction ids: UUID version 7 (RFC 9562, section 5.7), 16 bytes, ordered by the time they were made.

Layout, most significant bit first: 48 bits of milliseconds since 1970 UTC, version `0111`, 12 random bits,
variant `10`, 62 random bits. The experience store is partitioned by the id, so ranges of ids are ranges of
processing time.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Sequence
from itertools import accumulate
from threading import Lock
from typing import Protocol

from dissonance.errors import MalformedEvent, WrongType

RANDOM_BYTES = 10
"""Random bytes that one id takes; 74 of their 80 bits are used."""

LATEST_MS = (1 << 48) - 1

_VERSION_AND_VARIANT = (0x7 << 76) | (0b10 << 62)
_PAYLOAD_BITS = 74
_LOW_BITS = 62
_LOW = (1 << _LOW_BITS) - 1
_VARIANT = 0b10 << _LOW_BITS
_STEP_BYTES = 4


class _Clock(Protocol):
    def now_us(self) -> int: ...


class _Randomness(Protocol):
    def token(self, size: int) -> bytes: ...


def uuid7_bytes(unix_ms: int, random10: bytes) -> bytes:
    """The id of a millisecond. `unix_ms`: 0 to 2**48 - 1; `random10`: 10 random bytes.

    >>> uuid7_bytes(0x017F22E279B0, bytes(10)).hex()
    '017f22e279b070008000000000000000'
    """
    if not 0 <= unix_ms <= LATEST_MS or len(random10) != RANDOM_BYTES:
        raise ValueError(f"{unix_ms} ms with {len(random10)} random bytes; 48 bits and {RANDOM_BYTES} bytes are needed")
    return _assemble(unix_ms, int.from_bytes(random10) >> (8 * RANDOM_BYTES - _PAYLOAD_BITS))


def uuid7_after(previous: bytes, unix_ms: int, random10: bytes) -> bytes:
    """An id of this millisecond that sorts after `previous`, also when the clock stood still or went back.

    In the millisecond of `previous`, its random bits are counted up by 1 to 2**32 (RFC 9562, section 6.2,
    method 2), which keeps the next id hard to guess.

    >>> first = uuid7_bytes(5, b"\\xff" * 10)
    >>> uuid7_time_us(uuid7_after(first, 4, bytes(10)))
    6000
    """
    last = int.from_bytes(previous)
    if unix_ms > last >> 80:
        return uuid7_bytes(unix_ms, random10)
    payload = (((last >> 64) & 0xFFF) << _LOW_BITS) | (last & _LOW)
    payload += 1 + int.from_bytes(random10[:_STEP_BYTES])
    if payload >> _PAYLOAD_BITS:
        return uuid7_bytes((last >> 80) + 1, random10)
    return _assemble(last >> 80, payload)


def uuid7_following(first: bytes, steps: Sequence[int]) -> list[bytes]:
    """`first`, and for each step the id that `uuid7_after` gives after the one before in the same millisecond, where
    the step is what its random bytes say, 0 to 2**32 - 1.

    >>> [one.hex()[-4:] for one in uuid7_following(uuid7_bytes(5, bytes(10)), [0, 15])]
    ['0000', '0001', '0011']
    """
    low = int.from_bytes(first[8:]) & _LOW
    lows = list(accumulate(steps, lambda before, step: before + step + 1, initial=low))
    if lows[-1] > _LOW:  # a carry beyond the last 62 bits, once in millions of batches
        ids = [first]
        for step in steps:
            ids.append(uuid7_after(ids[-1], 0, step.to_bytes(_STEP_BYTES) + bytes(RANDOM_BYTES - _STEP_BYTES)))
        return ids
    head = first[:8]
    return [head + (_VARIANT | each).to_bytes(8) for each in lows]


def _assemble(unix_ms: int, payload: int) -> bytes:
    number = (unix_ms << 80) | _VERSION_AND_VARIANT | ((payload >> _LOW_BITS) << 64) | (payload & _LOW)
    return number.to_bytes(16)


def uuid7_time_us(prediction_id: bytes) -> int:
    """When it was made, in microseconds since 1970 UTC, to the millisecond.

    Raises `MalformedEvent` when the bytes are not a UUID of version 7.
    """
    if len(prediction_id) != 16 or prediction_id[6] >> 4 != 7 or prediction_id[8] >> 6 != 0b10:
        raise MalformedEvent(
            f"{prediction_id[:16].hex()} is not a UUID of version 7", where="prediction_id", fix="use ids as answered"
        )
    return int.from_bytes(prediction_id[:6]) * 1000


def uuid7_floor(time_us: int) -> bytes:
    """The lowest 16 bytes that an id made at or after this time can have; a bound, not an id.

    >>> uuid7_floor(1_000).hex()
    '00000000000100000000000000000000'
    """
    return (max(0, time_us) // 1000).to_bytes(6) + bytes(10)


def id_text(prediction_id: bytes) -> str:
    """
    >>> id_text(uuid7_bytes(0x017F22E279B0, bytes(10)))
    '017f22e2-79b0-7000-8000-000000000000'
    """
    h = prediction_id.hex()
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


def id_from_text(text: str, where: str = "prediction_id") -> bytes:
    """From the canonical text or 32 hex digits. Raises `WrongType`, naming `where`, for anything else.

    >>> id_from_text("017f22e2-79b0-7000-8000-000000000000").hex()
    '017f22e279b070008000000000000000'
    """
    try:
        prediction_id = uuid.UUID(text).bytes
        uuid7_time_us(prediction_id)
    except (ValueError, AttributeError, MalformedEvent) as error:
        raise WrongType("not a prediction id", where=where, fix="give the id as `predict` answered it") from error
    return prediction_id


class IdSource:
    """Prediction ids from a clock and a random source (`ports.clock`), each after the one before. Thread-safe."""

    def __init__(self, clock: _Clock, randomness: _Randomness) -> None:
        self._clock = clock
        self._randomness = randomness
        self._last = bytes(16)
        self._lock = Lock()

    def next(self) -> bytes:
        return self.many(1)[0]

    def many(self, count: int) -> list[bytes]:
        """`count` ids in rising order, all from one reading of the clock."""
        if not count:
            return []
        random = self._randomness.token(RANDOM_BYTES + _STEP_BYTES * (count - 1))
        steps = struct.unpack_from(f">{count - 1}I", random, RANDOM_BYTES)
        with self._lock:
            first = uuid7_after(self._last, self._clock.now_us() // 1000, random[:RANDOM_BYTES])
            ids = uuid7_following(first, steps)
            self._last = ids[-1]
        return ids
