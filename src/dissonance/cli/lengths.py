"""Lengths of time as people write them on a command line."""

from __future__ import annotations

import re

from dissonance.errors import InputError

SECONDS_OF = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds(text: str) -> int:
    """
    >>> seconds("90s"), seconds("1h"), seconds("30d")
    (90, 3600, 2592000)
    """
    match = re.fullmatch(r"([0-9]{1,9})([smhd])", text.strip())
    if match is None:
        raise InputError(
            f"'{text}' is not a length of time", where="--lifetime", fix="write it like 90s, 15m, 1h or 7d"
        )
    return int(match.group(1)) * SECONDS_OF[match.group(2)]
