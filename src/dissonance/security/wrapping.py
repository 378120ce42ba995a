"""Keys under a key: how the key of a data subject rests, and the keyed hash that stands for a data subject.

The root key of the key folder opens the key-encryption keys, which are versions, each with a part of its own (ADR 73);
each data key rests under one of them (ADR 57).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from dissonance.contracts.joined import cut_alike
from dissonance.errors import DataFolderError, SealBroken
from dissonance.security.envelope import KEY_BYTES, NONCE_BYTES, VERSION
from dissonance.security.opening_many import OVERHEAD_BYTES, DoesNotOpen, open_many

NEW_KEY_BYTES = KEY_BYTES + NONCE_BYTES
"""Random bytes that make a key and wrap it."""

HASH_BYTES = 16

WRAPPED_BYTES = OVERHEAD_BYTES + KEY_BYTES
TASKS_KEPT = 64

_SPARE = b"dissonance-spare-key|"
_VERSION = b"dissonance-key-encryption-key|"
_PART = b"dissonance/key-encryption-key part|"


class SubjectHash:
    """The keyed hash that stands for a data subject. Keeps the keyed state of each task: a hash takes half the time
    then, and by this library half of what `hmac` of the standard library takes.

    >>> hashed = SubjectHash(b"k")
    >>> hashed("t", "Ada") == hashed("u", "Ada")
    False
    """

    def __init__(self, hash_key: bytes) -> None:
        self._keyed = HMAC(hash_key, SHA256())
        self._of_task = lru_cache(TASKS_KEPT)(self._keyed_of_task)

    def __call__(self, task_id: str, data_subject: str) -> bytes:
        """HMAC-SHA-256 (RFC 2104) of the data subject within the task, cut to 16 bytes."""
        return self.many(task_id, (data_subject,))[0]

    def many(self, task_id: str, data_subjects: Iterable[str]) -> list[bytes]:
        """As `__call__`, of each."""
        of_task = self._of_task(task_id)
        hashes = []
        for data_subject in data_subjects:
            state = of_task.copy()
            state.update(data_subject.encode())
            hashes.append(state.finalize()[:HASH_BYTES])
        return hashes

    def _keyed_of_task(self, task_id: str) -> HMAC:
        state = self._keyed.copy()
        state.update(task_id.encode() + b"\0")
        return state


class KeyWrap:
    """Wraps data keys under one key-encryption key of 32 bytes: AES-256-GCM, as in `envelope`."""

    def __init__(self, key_encryption_key: bytes) -> None:
        self._key = key_encryption_key
        self._cipher = AESGCM(key_encryption_key)

    def new(self, task_id: str, data_subject: bytes, random: bytes) -> bytes:
        """A new key, wrapped. `random`: 44 bytes, the key and the nonce."""
        return self.seal(random[KEY_BYTES:], random[:KEY_BYTES], _bound_to(task_id, data_subject))

    def of(self, task_id: str, data_subject: bytes, key: bytes, nonce: bytes) -> bytes:
        """A key that there is already, wrapped for a data subject."""
        return self.seal(nonce, key, _bound_to(task_id, data_subject))

    def new_spare(self, spare_id: bytes, random: bytes) -> bytes:
        """A new key of nobody yet, wrapped under its own id. `random` as for `new`."""
        return self.seal(random[KEY_BYTES:], random[:KEY_BYTES], _SPARE + spare_id)

    def of_spare(self, spare_id: bytes, key: bytes, nonce: bytes) -> bytes:
        """A spare key that there is already, wrapped under its own id."""
        return self.seal(nonce, key, _SPARE + spare_id)

    def open_spare(self, spare_id: bytes, wrapped: bytes) -> bytes:
        """The key. Raises `SealBroken` under another key-encryption key, or for another id."""
        return self.unseal(wrapped, _SPARE + spare_id)

    def open(self, task_id: str, data_subject: bytes, wrapped: bytes) -> bytes:
        """The key. Raises `SealBroken` under another key-encryption key, or for another data subject."""
        return self.unseal(wrapped, _bound_to(task_id, data_subject))

    def open_many(self, task_id: str, data_subjects: Sequence[bytes], wrapped: Sequence[bytes]) -> dict[bytes, bytes]:
        """As `open`, the keys of many data subjects."""
        bound = VERSION + _bound_to(task_id, b"")
        try:
            keys = open_many([self._key] * len(wrapped), wrapped, map(bound.__add__, data_subjects))
        except DoesNotOpen as error:
            raise _does_not_open() from error
        return dict(zip(data_subjects, keys, strict=True))

    def open_joined(self, task_id: str, data_subjects: bytes, wrapped: bytes) -> dict[bytes, bytes]:
        """As `open_many`, of data subjects and wrapped keys that lie one after the other."""
        count = len(data_subjects) // HASH_BYTES
        if (len(data_subjects), len(wrapped)) != (count * HASH_BYTES, count * WRAPPED_BYTES):
            raise _does_not_open()
        people, keys = cut_alike(data_subjects, HASH_BYTES, count), cut_alike(wrapped, WRAPPED_BYTES, count)
        return self.open_many(task_id, people, keys)

    def new_version(self, version: int, random: bytes) -> bytes:
        """A new key-encryption key under this one: the root key, or `with_part`. `random` as for `new`."""
        return self.seal(random[KEY_BYTES:], random[:KEY_BYTES], _VERSION + version.to_bytes(4))

    def open_version(self, version: int, sealed: bytes) -> bytes:
        """The key-encryption key. Raises `SealBroken` under another root key, or for another version."""
        return self.unseal(sealed, _VERSION + version.to_bytes(4))

    def seal(self, nonce: bytes, plain: bytes, associated: bytes) -> bytes:
        return VERSION + nonce + self._cipher.encrypt(nonce, plain, VERSION + associated)

    def unseal(self, sealed: bytes, associated: bytes) -> bytes:
        nonce, body = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        try:
            if sealed[:1] != VERSION:
                raise InvalidTag
            return self._cipher.decrypt(nonce, body, VERSION + associated)
        except (InvalidTag, ValueError) as error:
            raise _does_not_open() from error


def with_part(root_key: bytes, part_id: bytes, part: bytes) -> KeyWrap:
    """What a version rests under: HKDF-SHA-256 (RFC 5869) of the root key, with the part as salt.

    The part is random and as secret as the key: who has the one without the other knows nothing of the result.

    >>> sealed = with_part(bytes(32), b"id", b"p" * 32).new_version(2, bytes(44))
    >>> len(with_part(bytes(32), b"id", b"p" * 32).open_version(2, sealed))
    32
    """
    derived = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=part, info=_PART + part_id)
    return KeyWrap(derived.derive(root_key))


class HeldKeys(NamedTuple):
    """Key-encryption keys that may be used, by version; `active` wraps new data keys. `lost`: those that should be
    there and do not open, and why."""

    active: int
    wraps: Mapping[int, KeyWrap]
    lost: Mapping[int, SealBroken | DataFolderError] = {}

    @property
    def wrap(self) -> KeyWrap:
        return self.wraps[self.active]

    def under(self, version: int) -> KeyWrap:
        """Raises `SealBroken` for a version that was revoked or destroyed, or that never was, and what is wrong with
        one that is lost."""
        if version in self.lost:
            raise self.lost[version]
        if version not in self.wraps:
            raise SealBroken(
                f"a data key rests under key-encryption key {version}, which is revoked, destroyed or unknown",
                where="keys of data subjects",
                fix="see dissonance keys list; restore the keys database from a backup in which that key is",
            )
        return self.wraps[version]


def _does_not_open() -> SealBroken:
    return SealBroken(
        "a wrapped key does not open: it was changed, or wrapped under another key-encryption key",
        where="keys of data subjects",
        fix="use the key folder that belongs to this database, or restore it from its backup",
    )


def _bound_to(task_id: str, data_subject: bytes) -> bytes:
    return b"dissonance-key|" + task_id.encode() + b"|" + data_subject
