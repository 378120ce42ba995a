"""Who answers callers keeps its turn on the machine; who works behind the bus lets others go first."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.settings import Settings

MOST = 19


@contextmanager
def running(role: str, folder: Path) -> Iterator[int]:
    """The process that `run` starts for this role, once it is ready."""
    line = [sys.executable, "-m", "dissonance", "run", role, "--data", str(folder), "--json"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield msgspec.json.decode(process.stdout.readline())["pid"]
        finally:
            process.terminate()
            process.wait(timeout=60)


def test_only_a_process_without_the_proposer_lets_others_go_first(
    all_engines: EngineAddresses, all_engines_folder: Path
) -> None:
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    with running("meta", all_engines_folder) as pid:
        assert os.getpriority(os.PRIO_PROCESS, pid) == min(MOST, ours + Settings().niceness)
    with running("proposer", all_engines_folder) as pid:
        assert os.getpriority(os.PRIO_PROCESS, pid) == ours
