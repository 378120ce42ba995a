"""Where no disk may be mounted, a limit on file size stands for a full one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from dissonance.drills.faults.disks import LimitedFiles, MountedDisk

WRITER = """
import signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
file = open(sys.argv[1], "wb", buffering=0)
for line in sys.stdin:
    try:
        file.write(b"x")
        print("written", flush=True)
    except OSError:
        print("full", flush=True)
"""


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", WRITER, str(tmp_path / "file")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def write(process: subprocess.Popen[str]) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def test_process_writes_nothing_while_its_files_are_limited(writer: subprocess.Popen[str]) -> None:
    disk = LimitedFiles(lambda: [psutil.Process(writer.pid)])

    assert write(writer) == "written"
    disk.fill()
    assert write(writer) == "full"
    disk.free()
    assert write(writer) == "written"


def test_room_is_given_back_also_when_nothing_was_filled(tmp_path: Path) -> None:
    MountedDisk(tmp_path, "a folder", None).free()

    assert not list(tmp_path.iterdir())
