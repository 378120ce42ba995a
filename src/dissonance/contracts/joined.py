"""Values of bytes that lie one after the other, as columns of many rows do: cut apart without a step for each."""

from __future__ import annotations

from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray


def cut(joined: bytes | bytearray | memoryview, lengths: NDArray[np.integer]) -> list[bytes]:
    """`lengths` (n,): bytes of each.

    >>> cut(b"abc", np.array([1, 2])), cut(b"abcd", np.array([2, 2])), cut(b"", np.array([0, 0]))
    ([b'a', b'bc'], [b'ab', b'cd'], [b'', b''])
    """
    length = int(lengths[0]) if len(lengths) else 0
    if (lengths == length).all():
        return cut_alike(joined, length, len(lengths))
    whole = bytes(joined)
    return [whole[start:stop] for start, stop in pairwise(accumulate(lengths.tolist(), initial=0))]


def cut_alike(joined: bytes | bytearray | memoryview, length: int, count: int) -> list[bytes]:
    """All of one length; where all are the same, it is one object.

    >>> cut_alike(b"abab", 2, 2), cut_alike(b"", 0, 3)
    ([b'ab', b'ab'], [b'', b'', b''])
    """
    first, second = bytes(joined[:length]), joined[length : 2 * length]
    if (second == first or count == 1) and joined == first * count:
        return [first] * count
    return list(np.frombuffer(joined, dtype=f"V{length}").tolist())
