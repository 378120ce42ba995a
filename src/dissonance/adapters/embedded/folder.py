"""The data folder of the embedded engines: its layout, its version, its lock (design 6.3, 6.6).

```
VERSION      layout version; its absence with only parts of ours inside means: half initialised, carry on
lock         held by flock while a supervisor lives; holds its pid
state.json   addresses and pids of what runs
streams.json the streams that the broker must show again after a restart
ports.json   the ports that the engines had last
keys/ postgres/ nats/ mlflow/artifacts/ logs/ anchors/
```
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from dissonance.adapters.embedded.files import write_atomically
from dissonance.errors import DataFolderBusy, DataFolderError

LAYOUT_VERSION = 1
LEAST_FREE_BYTES = 200 * 1024 * 1024
"""Below this, a start is refused: PostgreSQL and the broker stop in the middle of work on a full disk."""

Migration = Callable[[Path], None]
MIGRATIONS: Mapping[int, Migration] = {}
"""From a layout version to the next: each runs on the locked folder before any engine starts, and is repeatable."""

INITIALISING = ".initialising"
OWN_NAMES = frozenset(
    {
        "VERSION",
        "lock",
        "state.json",
        "streams.json",
        "ports.json",
        "keys",
        "postgres",
        "nats",
        "mlflow",
        "logs",
        "spool",
        "anchors",
    }
    | {f"postgres{INITIALISING}"}
)


class DataFolder:
    """Paths of one data folder, and the lock on it.

    >>> DataFolder(Path("/srv/d")).postgres
    PosixPath('/srv/d/postgres')
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.version = root / "VERSION"
        self.lock = root / "lock"
        self.state = root / "state.json"
        self.streams = root / "streams.json"
        self.ports = root / "ports.json"
        self.keys = root / "keys"
        self.postgres = root / "postgres"
        self.postgres_initialising = root / f"postgres{INITIALISING}"
        self.nats = root / "nats"
        self.mlflow_artifacts = root / "mlflow" / "artifacts"
        self.logs = root / "logs"
        self._lock_descriptor: int | None = None

    def open(
        self,
        *,
        free_bytes: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free,
        least_free_bytes: int = LEAST_FREE_BYTES,
        layout_version: int = LAYOUT_VERSION,
        migrations: Mapping[int, Migration] = MIGRATIONS,
    ) -> None:
        """Make what is missing, take the lock, bring the layout up to date.

        Raises `DataFolderBusy` with the pid of the holder, and `DataFolderError` for a folder that is not ours, of
        a newer version, unwritable or on a full disk. The folder is then as it was.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._refuse_foreign()
            self._refuse_full(free_bytes(self.root), least_free_bytes)
            self._take_lock()
        except OSError as error:
            raise _unusable(self.root, error) from error
        try:
            self._bring_up_to_date(layout_version, migrations)
            for folder in (self.logs, self.nats, self.mlflow_artifacts.parent, self.mlflow_artifacts):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            self.close()
            raise _unusable(self.root, error) from error
        except DataFolderError:
            self.close()
            raise

    @property
    def is_locked(self) -> bool:
        """Whether this object holds the lock."""
        return self._lock_descriptor is not None

    def close(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._lock_descriptor is not None:
            os.close(self._lock_descriptor)
            self._lock_descriptor = None

    def _refuse_foreign(self) -> None:
        if self.version.exists():
            return
        foreign = sorted(entry.name for entry in self.root.iterdir() if not _is_ours(entry.name))
        if foreign:
            raise DataFolderError(
                f"the folder holds other things ({', '.join(foreign[:3])}) and no VERSION of a data folder",
                where=str(self.root),
                fix="name an empty or new folder with --data",
            )

    def _refuse_full(self, free: int, least: int) -> None:
        if free < least:
            raise DataFolderError(
                f"the disk is full: {free // 1_048_576} MB are free, {least // 1_048_576} MB are needed to start",
                where=str(self.root),
                fix="free space, or name a folder on another disk with --data",
            )

    def _take_lock(self) -> None:
        # A lock file left by a dead supervisor is stale: its flock died with it, so it is simply taken over.
        descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise DataFolderBusy(
                f"the engines of this folder are already running under pid {holder}",
                where=str(self.root),
                fix=f"use them, or stop them: dissonance down --data {self.root}",
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._lock_descriptor = descriptor

    def _bring_up_to_date(self, layout_version: int, migrations: Mapping[int, Migration]) -> None:
        found = self._found_version()
        if found is None:
            write_atomically(self.version, f"{layout_version}\n".encode(), mode=0o644)
            return
        if found > layout_version:
            raise DataFolderError(
                f"the folder has layout version {found}, this program knows {layout_version} at most",
                where=str(self.version),
                fix="start it with the newer release of dissonance that wrote it",
            )
        for version in range(found, layout_version):
            if version not in migrations:
                raise DataFolderError(
                    f"there is no way from layout version {version} to {version + 1}",
                    where=str(self.version),
                    fix="start it once with a release in between, which upgrades it",
                )
            migrations[version](self.root)
            write_atomically(self.version, f"{version + 1}\n".encode(), mode=0o644)

    def _found_version(self) -> int | None:
        if not self.version.exists():
            return None
        text = self.version.read_text(encoding="ascii", errors="replace").strip()
        if not text.isdecimal():
            raise DataFolderError(
                f"VERSION holds {text[:20]!r}, not a number",
                where=str(self.version),
                fix="restore the folder from a backup, or write the version that made it",
            )
        return int(text)


def _is_ours(name: str) -> bool:
    return name in OWN_NAMES or (name.startswith(".") and name.endswith(".part"))


def _unusable(root: Path, error: OSError) -> DataFolderError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return DataFolderError(
        f"the data folder cannot be used: {error.strerror or error}",
        where=str(error.filename or root),
        fix="free space on its disk"
        if full
        else "give this user the right to write there, or name another with --data",
    )
