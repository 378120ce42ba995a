"""Sealing and opening many rows at once: one data subject's key a row, bound to task, row and data subject.

A row is msgpack of `SealedRow` under AES-256-GCM with a random nonce of 96 bits (NIST SP 800-38D, section
8.2.2: at most 2**32 rows under one key). Ciphers are made per call and per distinct key, never kept: a key that
was destroyed leaves nothing behind here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Protocol

import msgspec
import numpy as np
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from numpy.typing import NDArray

from dissonance.contracts.joined import cut_alike
from dissonance.contracts.sealed import SealedRow
from dissonance.errors import KeyDestroyed, SealBroken
from dissonance.security.envelope import NONCE_BYTES, VERSION
from dissonance.security.opening_many import OVERHEAD_BYTES, DoesNotOpen, open_many

LABEL = b"label"

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(SealedRow).decode


class NonceSource(Protocol):
    """`ports.clock.Randomness`, as much of it as sealing needs."""

    def token(self, size: int) -> bytes: ...


def label_row_id(prediction_id: bytes) -> bytes:
    """The row id that a label is sealed under, so that it cannot stand in for the row it belongs to."""
    return LABEL + prediction_id


def reference_row_id(row_number: int) -> bytes:
    """The row id of a row of the data file: its number, 8 bytes, big-endian."""
    return row_number.to_bytes(8)


def reference_row_ids(row_numbers: Sequence[int]) -> list[bytes]:
    """As `reference_row_id`, of each.

    >>> reference_row_ids([0, 258]) == [reference_row_id(0), reference_row_id(258)]
    True
    """
    return cut_alike(np.array(row_numbers, dtype=">i8").tobytes(), 8, len(row_numbers))


def reference_row_numbers(row_ids: Sequence[bytes]) -> list[int]:
    """
    >>> reference_row_numbers(reference_row_ids([0, 258]))
    [0, 258]
    """
    return list(np.frombuffer(b"".join(row_ids), dtype=">i8").tolist())


def seal_rows(
    keys: Mapping[bytes, bytes],
    task_id: str,
    row_ids: Sequence[bytes],
    data_subjects: Sequence[bytes],
    rows: Sequence[SealedRow],
    randomness: NonceSource,
) -> list[bytes]:
    """Seal n rows; `keys` maps a data subject to its 32-byte key.

    Raises `KeyDestroyed` when a data subject has no key; then nothing was sealed.
    """
    nonces = randomness.token(NONCE_BYTES * len(rows))
    ciphers = _ciphers(keys, data_subjects)
    prefix = _prefix(task_id)
    sealed = []
    for start, row_id, data_subject, row in zip(
        range(0, len(nonces), NONCE_BYTES), row_ids, data_subjects, rows, strict=True
    ):
        nonce = nonces[start : start + NONCE_BYTES]
        associated = prefix + row_id + b"|" + data_subject
        sealed.append(VERSION + nonce + ciphers[data_subject].encrypt(nonce, _encode(row), associated))
    return sealed


def open_rows(
    keys: Mapping[bytes, bytes],
    task_id: str,
    row_ids: Sequence[bytes],
    data_subjects: Sequence[bytes],
    sealed: Sequence[bytes],
) -> list[SealedRow | None]:
    """Open n rows; None where `keys` has no key of the data subject any more (erased).

    Raises `SealBroken`, naming the row, when key, bytes or row are not those it was sealed with.
    """
    rows = enumerate(zip(data_subjects, row_ids, sealed, strict=True))
    there = {i: row for i, row in rows if row[0] in keys}
    people, ids, blobs = zip(*there.values(), strict=True) if there else ((), (), ())
    plain = open_plain([keys[each] for each in people], task_id, ids, people, blobs)
    opened: list[SealedRow | None] = [None] * len(sealed)
    for i, each, row_id in zip(there, plain, ids, strict=True):
        opened[i] = _decoded(each, row_id)
    return opened


def open_plain(
    keys: Sequence[bytes],
    task_id: str,
    row_ids: Sequence[bytes],
    data_subjects: Sequence[bytes],
    sealed: Sequence[bytes],
) -> list[bytes]:
    """As `open_rows`, by the key of each row, what was sealed as it is: msgpack of `SealedRow`, for `row_columns`."""
    return _opened(keys, _prefix(task_id), row_ids, data_subjects, sealed)


def open_plain_labels(
    keys: Sequence[bytes],
    task_id: str,
    prediction_ids: Sequence[bytes],
    data_subjects: Sequence[bytes],
    sealed: Sequence[bytes],
) -> list[bytes]:
    """As `open_plain`, labels that were sealed under `label_row_id`."""
    return _opened(keys, _prefix(task_id) + LABEL, prediction_ids, data_subjects, sealed)


def _opened(
    keys: Sequence[bytes],
    prefix: bytes,
    row_ids: Sequence[bytes],
    data_subjects: Sequence[bytes],
    sealed: Sequence[bytes],
) -> list[bytes]:
    n = len(row_ids)
    associated = map(b"".join, zip(repeat(prefix, n), row_ids, repeat(b"|", n), data_subjects, strict=True))
    try:
        return open_many(keys, sealed, associated)
    except DoesNotOpen as error:
        raise _broken(row_ids[error.position], sealed[error.position]) from error


def _broken(row_id: bytes, blob: bytes) -> SealBroken:
    what = "the bytes, the key or the row they belong to changed"
    if blob[:1] != VERSION or len(blob) < OVERHEAD_BYTES:
        what = "not sealed bytes of version 1"
    return SealBroken(what, where=f"row {row_id.hex()}", fix="restore it from a backup")


def _decoded(plain: bytes, row_id: bytes) -> SealedRow:
    try:
        return _decode(plain)
    except msgspec.MsgspecError as error:
        raise SealBroken(
            "what was sealed is not a row", where=f"row {row_id.hex()}", fix="upgrade the role that reads it"
        ) from error


def _prefix(task_id: str) -> bytes:
    """What comes before the row id in `envelope.associated_data`, after the version that `envelope.seal` adds."""
    return VERSION + b"dissonance-row|" + task_id.encode() + b"|"


def _ciphers(keys: Mapping[bytes, bytes], data_subjects: Sequence[bytes]) -> dict[bytes, AESGCM]:
    try:
        return {data_subject: AESGCM(keys[data_subject]) for data_subject in set(data_subjects)}
    except KeyError as error:
        raise KeyDestroyed(
            "a data subject has no key", where="rows", fix="leave the rows of erased data subjects out"
        ) from error


def features_matrix(rows: Sequence[SealedRow], width: int) -> NDArray[np.float64]:
    """Features, shape `(n, width)`, NaN = missing. Raises `SealBroken` when a row has another width."""
    return _matrix([row.features for row in rows], width, "features")


def probabilities_matrix(rows: Sequence[SealedRow], classes: int) -> NDArray[np.float64]:
    """The proposer's p, shape `(n, classes)`, rows sum to 1. Raises `SealBroken` when a row has another width."""
    return _matrix([row.probabilities for row in rows], classes, "probabilities")


def critic_matrix(rows: Sequence[SealedRow], classes: int) -> NDArray[np.float64]:
    """The critic's q, shape `(n, classes)`, rows sum to 1. Raises `SealBroken` when a row has another width."""
    return _matrix([row.critic for row in rows], classes, "critic")


def _matrix(columns: list[bytes], width: int, name: str) -> NDArray[np.float64]:
    for position, column in enumerate(columns):
        if len(column) != 8 * width:
            raise SealBroken(
                f"row {position} has {len(column)} bytes of {name}; {8 * width} make {width} numbers",
                where=name,
                fix="open rows with the schema of their own task",
            )
    return np.frombuffer(b"".join(columns), dtype="<f8").reshape(len(columns), width)
