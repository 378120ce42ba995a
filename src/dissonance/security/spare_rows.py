"""Rows that were sealed under a spare key: the sealed bytes, and before them a mark and the id of the key.

What is inside is sealed as every row is (`security.rows`), bound to its task, row and data subject.
"""

from __future__ import annotations

_MARK = b"\x02"
_ID_BYTES = 16
_HEADER = len(_MARK) + _ID_BYTES


def marked(sealed: bytes, spare_id: bytes) -> bytes:
    """
    >>> spare_of(marked(bytes([1]) + b"sealed", b"i" * 16)) == b"i" * 16
    True
    """
    return _MARK + spare_id + sealed


def spare_of(sealed: bytes) -> bytes | None:
    """Id of the spare key; None for a row that was sealed under its data subject's key."""
    return sealed[len(_MARK) : _HEADER] if sealed[:1] == _MARK else None


def unmarked(sealed: bytes) -> bytes:
    """The row as it was sealed."""
    return sealed[_HEADER:] if sealed[:1] == _MARK else sealed
