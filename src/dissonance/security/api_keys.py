"""API keys: for programs that cannot fetch tokens. `dsk_<id>_<secret>`, shown once, stored as a hash.

The secret is 256 random bits. A slow hash (scrypt, Argon2) makes guessing what people choose expensive; nobody guesses
256 bits, and a slow hash at the entrance would be a way to keep us busy: SHA-256 is right here (ADR 52). The id finds
the key without its secret; `dsk_` lets scanners of repositories find one that leaked.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import NamedTuple

import msgspec

from dissonance.security.identity import MICROSECONDS, SKEW_S, Identity, Randomness
from dissonance.security.permissions import Permission
from dissonance.security.secret_texts import SecretForm, text_digest

PREFIX = "dsk_"
ID_BYTES = 8
FORM = SecretForm(PREFIX, id_bytes=ID_BYTES)
_PERMISSIONS = {permission.value: permission for permission in Permission}


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """What is stored of one. `digest`: SHA-256 of the whole text, 32 bytes. `scope`: permissions. `tasks`: names, or
    `*`. Times in microseconds since 1970 UTC. `by`: who made it."""

    key_id: str
    name: str
    digest: bytes
    scope: tuple[str, ...]
    tasks: tuple[str, ...]
    created_at_us: int
    expires_at_us: int
    by: str


class NewSecret(NamedTuple):
    """`text` is what its holder gets, and nobody can read again."""

    key_id: str
    text: str
    digest: bytes


def new_secret(randomness: Randomness) -> NewSecret:
    key_id = randomness.token(ID_BYTES).hex()
    text = FORM.text(key_id, randomness.token(SecretForm.SECRET_BYTES))
    return NewSecret(key_id, text, text_digest(text))


def id_in(text: str) -> str | None:
    """The id in what may be an API key; None where it has not the form of one.

    >>> id_in("dsk_0123456789abcdef_" + "A" * 43), id_in("dsk_")
    ('0123456789abcdef', None)
    """
    return FORM.id_in(text)


def identity_of(key: ApiKey, digest: bytes) -> Identity | None:
    """Who sent a text with this digest under the key's id; None when it is another secret."""
    if not compare_digest(key.digest, digest):
        return None
    return Identity(
        name=key.name,
        permissions=frozenset(_PERMISSIONS[each] for each in key.scope if each in _PERMISSIONS),
        tasks=frozenset(key.tasks),
        expires_at_us=key.expires_at_us,
        issued_at_us=key.created_at_us - SKEW_S * MICROSECONDS,
        token_id=key.key_id,
        credential=digest,
    )
