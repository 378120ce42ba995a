"""One file of a spool: locked by the process that has it, appended to and synced, read from its beginning."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from dissonance.adapters.spool.frames import HEADER_BYTES, Record, done_in, frame, header, records
from dissonance.adapters.synced import sync_folder

ENDING = ".spool"
UNFINISHED = ".new"
MODE = 0o600


class Segment:
    """Made by `create` or `take_over`. Blocking; for one thread at a time."""

    def __init__(self, path: Path, descriptor: int, size: int, done: int) -> None:
        self.path = path
        self.size = size
        self.done = done
        self._descriptor = descriptor

    @classmethod
    def create(cls, path: Path) -> Segment:
        """An empty one, durable. It gets its name only when it is locked, so that nobody takes it over meanwhile."""
        unfinished = path.with_suffix(UNFINISHED)
        descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write(descriptor, header(HEADER_BYTES), 0)
            os.fsync(descriptor)
            unfinished.rename(path)
            sync_folder(path.parent)
        except OSError:
            os.close(descriptor)
            unfinished.unlink(missing_ok=True)
            raise
        return cls(path, descriptor, HEADER_BYTES, HEADER_BYTES)

    @classmethod
    def take_over(cls, path: Path) -> Segment | None:
        """What a process that ended left, cut after its last whole record; None while another process has it.

        Raises `OSError` for a file that cannot be read here.
        """
        try:
            descriptor = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_nlink:  # else dealt with and deleted between open and lock
                return cls._recovered(path, descriptor)
        except BlockingIOError:
            pass
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return None

    @classmethod
    def _recovered(cls, path: Path, descriptor: int) -> Segment:
        data = path.read_bytes()
        done = done_in(data)
        if done is None or not HEADER_BYTES <= done <= len(data):
            done = HEADER_BYTES
        size = max((record.end for record in records(data, done)), default=done)
        os.ftruncate(descriptor, size)
        return cls(path, descriptor, size, done)

    @property
    def is_done(self) -> bool:
        return self.done >= self.size

    def append(self, payloads: Sequence[bytes]) -> None:
        """Returns when they are on the disk, all or none. Raises `OSError`, as for a full disk."""
        data = b"".join(frame(payload) for payload in payloads)
        try:
            _write(self._descriptor, data, self.size)
            os.fdatasync(self._descriptor)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(data)

    def left(self) -> list[Record]:
        """What is not dealt with yet."""
        return list(records(os.pread(self._descriptor, self.size, 0), self.done))

    def mark(self, done: int) -> None:
        """Not synced: what is marked and forgotten is dealt with again, which does no harm."""
        self.done = done
        _write(self._descriptor, header(done), 0)

    def close(self) -> None:
        """Let go of it; a file that is done with is deleted."""
        if self.is_done:
            self.path.unlink(missing_ok=True)
        os.close(self._descriptor)


def _write(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
