"""What the machine says of itself, for the auditor."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from dissonance.security.tls import Wire


class Disk(NamedTuple):
    """Bytes of the file system that holds `folder`."""

    folder: str
    total: int
    free: int


class KeyFolderMode(NamedTuple):
    """Permission bits of the key folder, such as 0o700."""

    folder: str
    mode: int


class Spooled(NamedTuple):
    """Events that wait on the disk of this machine for the broker."""

    folder: str
    files: int
    size_bytes: int


class PlainStreams(NamedTuple):
    """Names of streams that lie unencrypted in the broker's `folder`."""

    folder: str
    names: list[str]


class Host(Protocol):
    def disk(self) -> Disk | None:
        """Where the engines keep their data; None when they are on other machines."""
        ...

    def key_folder(self) -> KeyFolderMode | None:
        """None when there is none to look at."""
        ...

    def plain_streams(self) -> PlainStreams | None:
        """None when the broker keeps its files on another machine."""
        ...

    def unprotected(self) -> tuple[Wire, ...]:
        """Connections of this process that may be read and changed on their way, since a setting lets them be plain."""
        ...

    def spooled(self) -> Spooled | None:
        """None when there is no folder of that kind."""
        ...
