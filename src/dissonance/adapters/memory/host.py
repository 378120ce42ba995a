"""`ports.host.Host` that says what it is told to."""

from __future__ import annotations

from dissonance.ports.host import Disk, KeyFolderMode, PlainStreams, Spooled
from dissonance.security.tls import Wire

GIB = 2**30


class MemoryHost:
    def __init__(self) -> None:
        self.free = 90 * GIB
        self.mode = 0o700
        self.spool_files = 0
        self.plain: list[str] = []
        self.wires: tuple[Wire, ...] = ()

    def disk(self) -> Disk | None:
        return Disk("/data", 100 * GIB, self.free)

    def key_folder(self) -> KeyFolderMode | None:
        return KeyFolderMode("/data/keys", self.mode)

    def plain_streams(self) -> PlainStreams | None:
        return PlainStreams("/data/nats", self.plain)

    def unprotected(self) -> tuple[Wire, ...]:
        return self.wires

    def spooled(self) -> Spooled | None:
        return Spooled("/data/spool", self.spool_files, 1000 * self.spool_files)
