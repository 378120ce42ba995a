"""CBPE, confidence-based performance estimation, by the package NannyML itself, in an environment of its own.

Starting NannyML takes seconds, so one process answers for all cases of a worker. Calibration, interval (three standard
errors of sampling) and alarm (three standard deviations over chunks of the reference) are the package's defaults.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any, Self

import numpy as np

from dissonance.errors import ConfigurationError, EngineError
from science.estimate import Estimate, Known, Traffic
from science.options import current

WORKER = Path(__file__).with_name("nannyml_worker.py")


class NannyML:
    """The process. It ends with its owner, whose end closes its input."""

    def __init__(self, python: Path) -> None:
        self._complaints = tempfile.TemporaryFile("w+")  # noqa: SIM115 - open as long as the process
        self._process = subprocess.Popen(  # noqa: S603
            [str(python), str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
        )
        try:
            self.versions: dict[str, str] = self._read()
        except EngineError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process by ending its input."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process.wait()
        self._complaints.close()

    def estimate(self, known: Known, windows: Sequence[Traffic]) -> list[Estimate]:
        """Where NannyML refuses the data, its reason instead of numbers. Raises `EngineError` when its process ends."""
        with tempfile.NamedTemporaryFile(suffix=".npz") as file:
            np.savez(
                file,
                reference_p=known.reference.p,
                labels=known.reference.classes,
                p=np.concatenate([window.p for window in windows]),
                sizes=np.array([len(window.p) for window in windows]),
            )
            file.flush()
            stdin: IO[str] = self._process.stdin  # type: ignore[assignment]
            stdin.write(f"{file.name}\n")
            stdin.flush()
            reply = self._read()
        if "error" in reply:
            return [Estimate(note=f"NannyML refused: {reply['error']}")] * len(windows)
        return [Estimate(**answer) for answer in reply["answers"]]

    def _read(self) -> dict[str, Any]:
        stdout: IO[str] = self._process.stdout  # type: ignore[assignment]
        line = stdout.readline()
        if not line:
            self._complaints.seek(0)
            raise EngineError(
                f"NannyML's process ended: {self._complaints.read()[-500:].strip()}",
                where=str(WORKER),
                fix="make its environment anew: rm -rf .venv-nannyml && make .venv-nannyml/.stamp",
            )
        answer: dict[str, Any] = json.loads(line)
        return answer


@cache
def running(python: Path) -> NannyML:
    """The one of this process, started when it is first asked."""
    return NannyML(python)


def cbpe(known: Known, windows: Sequence[Traffic]) -> list[Estimate]:
    python = current().nannyml
    if python is None:
        raise ConfigurationError("NannyML's environment was not named", where="options", fix="leave CBPE out")
    return running(python).estimate(known, windows)
