"""What came before, of the latest so many."""

from __future__ import annotations

from collections import OrderedDict

REMEMBERED = 4_096


class Once:
    """
    >>> once = Once()
    >>> [once.is_first(name) for name in ("a", "b", "a")]
    [True, True, False]
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[str, None] = OrderedDict()

    def is_first(self, name: str) -> bool:
        if name in self._seen:
            return False
        self._seen[name] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return True
