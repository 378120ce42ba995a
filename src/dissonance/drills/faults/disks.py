"""A small disk that can be filled: a file system of its own where one may be mounted, else a limit on file size."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import psutil

BALLAST = ".ballast"
MEBIBYTE = 2**20
COMMAND_S = 60.0


class Filling(Protocol):
    """`kind`: what it is, for the record."""

    @property
    def kind(self) -> str: ...

    def fill(self) -> None:
        """From now on nothing can be written any more. Raises `OSError`."""
        ...

    def free(self) -> None:
        """There is room again."""
        ...

    def close(self) -> None:
        """Take it away; what was on it is gone."""
        ...


class MountedDisk:
    """Made by `mount_disk`."""

    def __init__(self, folder: Path, kind: str, image: Path | None) -> None:
        self.kind = kind
        self._folder = folder
        self._image = image

    def fill(self) -> None:
        free = os.statvfs(self._folder)
        descriptor = os.open(self._folder / BALLAST, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, max(1, free.f_bfree * free.f_frsize))
        except OSError:
            # Its own bookkeeping takes some of what was free: the rest is filled piece by piece.
            _fill_rest(descriptor)
        finally:
            os.close(descriptor)

    def free(self) -> None:
        (self._folder / BALLAST).unlink(missing_ok=True)

    def close(self) -> None:
        # Lazily: a process that does not end must not keep the drill from ending.
        subprocess.run(["umount", "-l", str(self._folder)], check=False, capture_output=True)  # noqa: S603, S607
        if self._image is not None:
            self._image.unlink(missing_ok=True)


def _fill_rest(descriptor: int) -> None:
    piece = MEBIBYTE
    while piece >= 512:
        try:
            os.write(descriptor, bytes(piece))
        except OSError:
            piece //= 2


class LimitedFiles:
    """No file of some processes may grow, by RLIMIT_FSIZE: what is left where no disk may be mounted."""

    kind = "a limit on the size of files (RLIMIT_FSIZE)"

    def __init__(self, processes: Callable[[], Sequence[psutil.Process]]) -> None:
        self._processes = processes

    def fill(self) -> None:
        self._limit(0)

    def free(self) -> None:
        self._limit(resource.RLIM_INFINITY)

    def close(self) -> None:
        """There is nothing to take away."""

    def _limit(self, size: int) -> None:
        for process in self._processes():
            _, most = process.rlimit(resource.RLIMIT_FSIZE)
            process.rlimit(resource.RLIMIT_FSIZE, (size if most == resource.RLIM_INFINITY else min(size, most), most))


def mount_disk(folder: Path, size: int, images: Path) -> MountedDisk | None:
    """A file system of `size` bytes at `folder`, which is made: ext4 in a file in `images`, else in memory; None where
    neither may be mounted."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return _loop(folder, size, images) or _memory(folder, size)


def _loop(folder: Path, size: int, images: Path) -> MountedDisk | None:
    images.mkdir(parents=True, exist_ok=True)
    image = images / f"{folder.name}.ext4"
    with image.open("wb") as file:
        file.truncate(size)
    # No blocks kept back for root, who the broker may be here; no lost+found to be taken for somebody's data.
    made = _run("mkfs.ext4", "-q", "-m", "0", str(image)) and _run("mount", "-o", "loop", str(image), str(folder))
    if not made:
        image.unlink()
        return None
    shutil.rmtree(folder / "lost+found", ignore_errors=True)
    return MountedDisk(folder, "ext4 on a loop device", image)


def _memory(folder: Path, size: int) -> MountedDisk | None:
    mounted = _run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    return MountedDisk(folder, "tmpfs (nothing is synced to a disk)", None) if mounted else None


def _run(*command: str) -> bool:
    if shutil.which(command[0]) is None:
        return False
    try:
        return subprocess.run(command, check=False, capture_output=True, timeout=COMMAND_S).returncode == 0  # noqa: S603
    except subprocess.TimeoutExpired:
        return False
