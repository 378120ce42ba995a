"""`ports.host.Host` on this machine."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

from dissonance.ports.host import Disk, KeyFolderMode


class LocalHost:
    def __init__(self, data_folder: Path, key_folder: Path) -> None:
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
