"""What the machine says of itself, for the auditor."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Disk(NamedTuple):
    """Bytes of the file system that holds `folder`."""

    folder: str
    total: int
    free: int


class KeyFolderMode(NamedTuple):
    """Permission bits of the key folder, such as 0o700."""

    folder: str
    mode: int


class Host(Protocol):
    def disk(self) -> Disk | None:
        """Where the engines keep their data; None when they are on other machines."""
        ...

    def key_folder(self) -> KeyFolderMode | None:
        """None when there is none to look at."""
        ...
