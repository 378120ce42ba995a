"""What every bus adapter holds to about dead letters."""

from __future__ import annotations

from dissonance.contracts.codec import decode
from dissonance.errors import ContractError, InputError

REASON_CHARACTERS = 800
"""A reason is cut here, so that it also fits a header when every character of it must be escaped."""


def rows_of(data: bytes) -> int:
    """How many rows a message speaks of; 0 when it cannot be read, since then nobody knows.

    >>> rows_of(b"garbage")
    0
    """
    try:
        return decode(data).rows
    except ContractError:
        return 0


def in_vain(max_deliver: int) -> str:
    """The reason for a message that nobody ever answered: what handled it died each time."""
    return f"delivered {max_deliver} times without an answer"


def unknown_dead_letter(sequence: int) -> InputError:
    return InputError(f"there is no dead letter {sequence}", where="sequence", fix="list: dissonance dead-letters list")
