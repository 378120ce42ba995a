"""A process that fills a spool is killed at any moment: whatever it said it had taken is there, in order, once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dissonance.adapters.spool.spool import Spool

WRITER = """
import sys
from pathlib import Path
from dissonance.adapters.spool.spool import Spool

spool, number = Spool(Path(sys.argv[1]), sys.argv[2], 2**30), 0
while True:
    spool.append([f"{number + i:06d}".encode() * (1 + 97 * i) for i in range(5)])
    number += 5
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
"""


@pytest.mark.parametrize("lines", [1, 7, 40])
def test_spool_of_a_killed_process_holds_all_that_it_took(tmp_path: Path, lines: int) -> None:
    folder = tmp_path / "spool"
    command = [sys.executable, "-c", WRITER, str(folder), "dying"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(lines):
            process.stdout.readline()
        process.kill()
        told = process.stdout.read().split()
    taken = max([5 * lines, *map(int, told)])
    heir = Spool(folder, "heir", 2**20)
    assert heir.take_over() == 1
    numbers: list[int] = []
    while (chunk := heir.oldest(500)) is not None:
        assert not chunk.damaged
        numbers += [int(payload[:6]) for payload in chunk.payloads]
        heir.drained(chunk)
    assert numbers[:taken] == list(range(taken))
    assert numbers == list(range(len(numbers)))
    assert list(folder.glob("*.spool")) == []
