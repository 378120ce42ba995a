"""How many of something, as people say it."""

from __future__ import annotations


def counted(count: int, one: str, many: str = "") -> str:
    """`many`: where it is not `one` with an s.

    >>> counted(1, "label"), counted(0, "label"), counted(1_200, "differs", "differ")
    ('1 label', '0 labels', '1,200 differ')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"
