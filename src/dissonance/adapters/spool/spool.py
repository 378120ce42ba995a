"""What waits on disk for the broker: a few files, the newest appended to, the oldest drained first."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from dissonance.adapters.spool.segment import ENDING, Segment

SEGMENT_BYTES = 16 * 2**20
"""A file that is larger is appended to no more: its room is free again when it is drained."""

FOLDER_MODE = 0o700


class Chunk(NamedTuple):
    """Of one file, in order. `damaged` records are left out of `payloads`; `end` is for `drained`."""

    segment: Segment
    payloads: list[bytes]
    damaged: int
    end: int


class Spool:
    """Blocking, for threads. `name` is of this process only; `limit_bytes` bounds what it adds."""

    def __init__(self, folder: Path, name: str, limit_bytes: int) -> None:
        self._folder = folder
        self._name = name
        self._limit_bytes = limit_bytes
        self._segments: list[Segment] = []
        self._own: Segment | None = None
        self._made = 0
        self._lock = Lock()

    @property
    def size_bytes(self) -> int:
        """Of what waits."""
        return sum(segment.size - segment.done for segment in self._segments)

    def has_room(self, more_bytes: int = 1) -> bool:
        return sum(segment.size for segment in self._segments) + more_bytes <= self._limit_bytes

    def append(self, payloads: Sequence[bytes]) -> None:
        """Returns when they are durable, all or none. Raises `OSError`; of a full spool as of a full disk."""
        with self._lock:
            if not self.has_room(sum(map(len, payloads))):
                raise OSError(errno.ENOSPC, "the spool is full")
            if self._own is None or self._own.size >= SEGMENT_BYTES:
                self._folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
                self._made += 1
                self._own = Segment.create(self._folder / f"{self._name}-{self._made:06d}{ENDING}")
                self._segments.append(self._own)
            try:
                self._own.append(payloads)
            except OSError:
                self._let_go()  # a file in which nothing is says nothing
                raise

    def take_over(self) -> int:
        """Take what processes that ended left; returns how many files that were."""
        with self._lock:
            there = {segment.path for segment in self._segments}
            left = sorted(path for path in self._folder.glob(f"*{ENDING}") if path not in there)
            taken = [segment for path in left if (segment := _taken_over(path)) is not None]
            self._segments[:0] = taken
            return len(taken)

    def oldest(self, at_most_bytes: int) -> Chunk | None:
        """The first records that wait, about so many bytes of them; None when nothing does."""
        with self._lock:
            self._let_go()
            if not self._segments:
                return None
            segment = self._segments[0]
            payloads, damaged, size, end = list[bytes](), 0, 0, segment.done
            for record in segment.left():
                if payloads and size >= at_most_bytes:
                    break
                end = record.end
                if record.payload is None:
                    damaged += 1
                else:
                    payloads.append(record.payload)
                    size += len(record.payload)
            return Chunk(segment, payloads, damaged, end if end > segment.done else segment.size)

    def drained(self, chunk: Chunk) -> None:
        """It is with the broker: forget it."""
        with self._lock:
            chunk.segment.mark(chunk.end)
            self._let_go()

    def close(self) -> None:
        """Let go of all files; whoever comes next finds what waits."""
        with self._lock:
            for segment in self._segments:
                segment.close()
            self._segments, self._own = [], None

    def _let_go(self) -> None:
        while self._segments and self._segments[0].is_done:
            segment = self._segments.pop(0)
            self._own = None if segment is self._own else self._own
            segment.close()


def _taken_over(path: Path) -> Segment | None:
    """A file that may not be read here is left for who may: the others must not wait for it."""
    try:
        return Segment.take_over(path)
    except OSError:
        return None
