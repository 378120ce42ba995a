"""Keys of data subjects in memory, for a short while."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

CACHED_KEYS = 100_000
CACHED_US = 60_000_000
"""Another replica may use a destroyed key for so long; what it seals in that time nobody can open later."""


class KeyCache:
    """The keys used last, at most `size` of them, none older than `lifetime_us` microseconds.

    What is too old is let go of when new keys come, so that a busy hour does not fill a quiet one: the key used longest
    ago first, hence one that was used to the end of its life after at most another one.
    """

    def __init__(self, size: int = CACHED_KEYS, lifetime_us: int = CACHED_US) -> None:
        self._size = size
        self._lifetime_us = lifetime_us
        self._keys: OrderedDict[tuple[str, bytes], tuple[bytes, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._keys)

    def take(
        self, task_id: str, data_subjects: Iterable[bytes], now_us: int, younger_than_us: int | None = None
    ) -> tuple[dict[bytes, bytes], list[bytes]]:
        """The keys that are here, and, each once, the data subjects whose keys are not.

        With `younger_than_us` only keys that were read less long ago than that; older ones stay here.
        """
        if not self._keys:
            return {}, list(dict.fromkeys(data_subjects))
        limit_us = self._lifetime_us if younger_than_us is None else younger_than_us
        found: dict[bytes, bytes] = {}
        missing: list[bytes] = []
        for data_subject in dict.fromkeys(data_subjects):
            name = (task_id, data_subject)
            entry = self._keys.get(name)
            if entry is None or now_us - entry[1] >= limit_us:
                if entry is not None and self._is_old(entry[1], now_us):
                    del self._keys[name]
                missing.append(data_subject)
            else:
                self._keys.move_to_end(name)
                found[data_subject] = entry[0]
        return found, missing

    def put(self, task_id: str, keys: Mapping[bytes, bytes], now_us: int) -> None:
        for data_subject, key in keys.items():
            self._keys[task_id, data_subject] = (key, now_us)
            self._keys.move_to_end((task_id, data_subject))
        while self._keys and (len(self._keys) > self._size or self._is_old(self._oldest_us(), now_us)):
            self._keys.popitem(last=False)

    def _oldest_us(self) -> int:
        """When the key used longest ago was read."""
        return next(iter(self._keys.values()))[1]

    def _is_old(self, read_us: int, now_us: int) -> bool:
        return now_us - read_us >= self._lifetime_us

    def forget(self, task_id: str, data_subjects: Sequence[bytes]) -> None:
        for data_subject in data_subjects:
            self._keys.pop((task_id, data_subject), None)

    def forget_task(self, task_id: str) -> None:
        for name in [name for name in self._keys if name[0] == task_id]:
            del self._keys[name]
