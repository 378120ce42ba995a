"""Secrets as texts: how random bits are written, and what a text is known again by without being kept."""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64encode

AFTER_PREFIX = re.compile(r"([0-9a-f]+)_[A-Za-z0-9_-]{43}")


def base64url(data: bytes) -> str:
    """Without padding (RFC 7515 section 2).

    >>> base64url(b"\\xff\\xfe")
    '__4'
    """
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def text_digest(text: str) -> bytes:
    """SHA-256, 32 bytes; of any text, also one that no encoding takes."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


class SecretForm:
    """Texts that scanners of repositories find and whoever revokes can name: a prefix, the id in hex, 256 random bits.

    >>> form = SecretForm("dsx_", id_bytes=2)
    >>> form.id_in(form.text("00ff", bytes(32))), form.id_in("dsx_00ff")
    ('00ff', None)
    """

    SECRET_BYTES = 32

    def __init__(self, prefix: str, *, id_bytes: int) -> None:
        self._prefix = prefix
        self._id_digits = 2 * id_bytes

    def text(self, known_by: str, secret: bytes) -> str:
        return f"{self._prefix}{known_by}_{base64url(secret)}"

    def id_in(self, text: str) -> str | None:
        """The id in what may be such a text; None where it has not the form of one."""
        if not text.startswith(self._prefix):
            return None
        match = AFTER_PREFIX.fullmatch(text, len(self._prefix))
        return match[1] if match and len(match[1]) == self._id_digits else None
