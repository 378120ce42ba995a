"""Texts and bytes of the store that people wrote or that tell of values: AES-SIV (RFC 5297), the same for the same.

That what is equal is sealed equally lets a database compare what it cannot read, and needs no nonce. It tells whoever
has the files that two texts are equal, and no more. What was written before there was a seal is read as it is.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from dissonance.errors import SealBroken

MARK = "dissonance-sealed-1:"
KEY_BYTES = 64

TEXTS_KEPT = 256
"""Opened ones: every label that is learnt from says its source, and there are few."""


class TextSeal:
    """`key`: 64 bytes.

    >>> seal = TextSeal(bytes(64))
    >>> seal.open(seal.seal("a reason")), seal.open("an older reason"), seal.open(seal.seal(b"body"))
    ('a reason', 'an older reason', b'body')
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESSIV(key)
        self._text = lru_cache(TEXTS_KEPT)(self._opened_text)

    def seal(self, plain: str | bytes) -> str | bytes:
        """Of the same kind; an empty one stays so."""
        if not plain:
            return plain
        if isinstance(plain, bytes):
            return MARK.encode() + self._cipher.encrypt(plain, [MARK.encode()])
        return MARK + b64encode(self._cipher.encrypt(plain.encode(), [MARK.encode()])).decode()

    def seal_json(self, text: str) -> str:
        """As `seal`, as a string of JSON, for columns that take nothing else."""
        return f'"{self.seal(text)!s}"'

    def open(self, sealed: object) -> object:
        """What was sealed, also as JSON; anything else comes back as it is. Raises `SealBroken` under another key."""
        if isinstance(sealed, str) and sealed.startswith((MARK, f'"{MARK}')):
            return self._text(sealed)
        if isinstance(sealed, bytes) and sealed.startswith(MARK.encode()):
            return self._opened(sealed[len(MARK) :])
        return sealed

    def _opened_text(self, sealed: str) -> str:
        return self._opened(sealed.strip('"')[len(MARK) :]).decode()

    def _opened(self, content: str | bytes) -> bytes:
        """Text is base64."""
        try:
            sealed = b64decode(content, validate=True) if isinstance(content, str) else content
            return self._cipher.decrypt(sealed, [MARK.encode()])
        except (InvalidTag, ValueError) as error:
            raise SealBroken(
                "a text of the store was changed, or sealed under another key",
                where="experience database",
                fix="use the key folder that belongs to this database, or restore it from its backup",
            ) from error
