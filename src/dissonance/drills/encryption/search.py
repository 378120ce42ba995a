"""Many patterns at once in a stream of bytes, in memory that does not grow with it.

Every three bytes are looked up in a table of 16 MB that knows how patterns begin; where one may, it is compared. Blocks
overlap by what a pattern could reach over their border.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

BLOCK_BYTES: Final = 1 << 20
BEGINNING: Final = 3


class Searcher:
    """`patterns`: each at least three bytes long. What is being searched keeps its state in a `Stream`.

    >>> stream = Searcher([b"canary"]).stream()
    >>> [stream.feed(block) for block in (b"a can", b"ary", b" canary")]
    [[], [b'canary'], [b'canary']]
    """

    def __init__(self, patterns: Iterable[bytes]) -> None:
        self._by_beginning: dict[bytes, list[bytes]] = defaultdict(list)
        self._table: NDArray[np.bool_] = np.zeros(1 << (8 * BEGINNING), dtype=np.bool_)
        for pattern in set(patterns):
            beginning = pattern[:BEGINNING]
            self._by_beginning[beginning].append(pattern)
            self._table[int.from_bytes(beginning, "little")] = True
        self.reach = max((len(each) for ways in self._by_beginning.values() for each in ways), default=1) - 1

    def stream(self) -> Stream:
        return Stream(self)

    def found_in(self, block: bytes, known: int) -> Iterator[bytes]:
        """Patterns in `block`, each as often as it is there, but for those that end within the first `known` bytes."""
        if len(block) < BEGINNING or not block.strip(b"\0"):
            return
        letters = np.frombuffer(block, dtype=np.uint8).astype(np.uint32)
        beginnings = letters[:-2] | letters[1:-1] << 8 | letters[2:] << 16
        for place in np.flatnonzero(self._table[beginnings]).tolist():
            for pattern in self._by_beginning[block[place : place + BEGINNING]]:
                if place + len(pattern) > known and block.startswith(pattern, place):
                    yield pattern


class Stream:
    """One stream of bytes, fed block by block."""

    def __init__(self, searcher: Searcher) -> None:
        self._searcher = searcher
        self._rest = b""

    def feed(self, block: bytes) -> list[bytes]:
        """Patterns that are whole with these bytes."""
        whole = self._rest + block
        found = list(self._searcher.found_in(whole, len(self._rest)))
        reach = self._searcher.reach
        self._rest = whole[-reach:] if reach else b""
        return found
