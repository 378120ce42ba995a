"""`ports.host.Host` on this machine."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from dissonance.adapters.embedded.at_rest import plain_streams
from dissonance.adapters.embedded.folder import DataFolder
from dissonance.adapters.spool.segment import ENDING
from dissonance.ports.host import Disk, KeyFolderMode, PlainStreams, Spooled
from dissonance.security.tls import Wire


class LocalHost:
    """`unprotected`: connections of this process that a setting lets be plain."""

    def __init__(
        self, data_folder: Path, key_folder: Path, spool_folder: Path, unprotected: Sequence[Wire] = ()
    ) -> None:
        self._unprotected = tuple(unprotected)
        self._spool_folder = spool_folder
        self._data_folder = data_folder
        self._key_folder = key_folder

    def disk(self) -> Disk | None:
        try:
            usage = shutil.disk_usage(self._data_folder)
        except OSError:
            return None
        return Disk(str(self._data_folder), usage.total, usage.free)

    def key_folder(self) -> KeyFolderMode | None:
        try:
            mode = stat.S_IMODE(self._key_folder.stat().st_mode)
        except OSError:
            return None
        return KeyFolderMode(str(self._key_folder), mode)

    def plain_streams(self) -> PlainStreams | None:
        folder = DataFolder(self._data_folder).nats
        return PlainStreams(str(folder), plain_streams(folder)) if folder.is_dir() else None

    def unprotected(self) -> tuple[Wire, ...]:
        return self._unprotected

    def spooled(self) -> Spooled | None:
        if not self._spool_folder.is_dir():
            return None
        files, size = 0, 0
        for path in self._spool_folder.glob(f"*{ENDING}"):
            with suppress(FileNotFoundError):  # drained meanwhile
                size += path.stat().st_size
                files += 1
        return Spooled(str(self._spool_folder), files, size)
