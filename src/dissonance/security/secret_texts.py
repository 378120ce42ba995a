"""Secrets as texts: how random bits are written, and what a text is known again by without being kept."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode


def base64url(data: bytes) -> str:
    """Without padding (RFC 7515 section 2).

    >>> base64url(b"\\xff\\xfe")
    '__4'
    """
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def text_digest(text: str) -> bytes:
    """SHA-256, 32 bytes; of any text, also one that no encoding takes."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()
