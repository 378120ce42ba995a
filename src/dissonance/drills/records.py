"""The one schema of what drills and benchmarks measure, and its files (design 6.7).

A record is one JSON file, `<name>-<UTC time>.json`, that says what was run, where, on which version, and
every raw number behind its verdict. `dissonance kpis` shows them; no number is typed in by hand.

>>> judge({"cycles_per_s": 912.0}, [AtLeast("cycles_per_s", 1000.0)])
(<Outcome.FAIL: 'fail'>, ['cycles_per_s is 912; it must be at least 1000'])
"""

from __future__ import annotations

import math
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import psutil

from dissonance import __version__
from dissonance.contracts.unreadable import UNREADABLE
from dissonance.errors import ConfigurationError, DataFolderError

SCHEMA_VERSION = 1
"""Counts up when a field changes its meaning; a reader refuses what is newer than it knows."""

Raw = float | int | str | list[float | int | str | None] | None
"""One measured value; the unit is in its name (`p99_s`, `memory_bytes`). None: there was no finite value."""


class Outcome(StrEnum):
    PASS = "pass"  # noqa: S105 - an outcome, not a secret
    FAIL = "fail"


class Machine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where it was measured; without it a number means nothing."""

    cpu: str
    cores: int  # logical cores this process may use
    memory_bytes: int
    kernel: str
    python: str


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One run of one drill or benchmark.

    `limits` are the bounds that the verdict rests on, by the name of the raw number; `reasons` says
    why it failed, and is empty when it passed.
    """

    name: Annotated[str, msgspec.Meta(pattern="^[a-z0-9]+(-[a-z0-9]+)*$")]
    what: str  # one sentence: what was done and counted
    when: str  # RFC 3339, UTC, to the second: the end of the run
    command: str
    version: str
    commit: str | None
    machine: Machine
    raw: dict[str, Raw]
    limits: dict[str, str]
    verdict: Outcome
    reasons: list[str]
    schema_version: int = SCHEMA_VERSION


class AtLeast(msgspec.Struct, frozen=True):
    """The raw number `name` must be `bound` or more."""

    name: str
    bound: float

    def holds(self, value: float) -> bool:
        return value >= self.bound

    def __str__(self) -> str:
        return f"at least {self.bound:.10g}"


class AtMost(msgspec.Struct, frozen=True):
    """The raw number `name` must be `bound` or less."""

    name: str
    bound: float

    def holds(self, value: float) -> bool:
        return value <= self.bound

    def __str__(self) -> str:
        return f"at most {self.bound:.10g}"


class Equals(msgspec.Struct, frozen=True):
    """The raw number `name` must be exactly `bound`: nothing lost, nothing twice."""

    name: str
    bound: float

    def holds(self, value: float) -> bool:
        return value == self.bound

    def __str__(self) -> str:
        return f"exactly {self.bound:.10g}"


Limit = AtLeast | AtMost | Equals


def judge(raw: Mapping[str, Raw], limits: Sequence[Limit]) -> tuple[Outcome, list[str]]:
    """The verdict and, for each limit that does not hold, one reason.

    A limit on a number that was not measured fails: silence is no evidence.
    """
    reasons = []
    for limit in limits:
        value = raw.get(limit.name)
        if not isinstance(value, int | float):
            reasons.append(f"{limit.name} was not measured; it must be {limit}")
        elif not limit.holds(value):
            reasons.append(f"{limit.name} is {value:.10g}; it must be {limit}")
    return (Outcome.FAIL if reasons else Outcome.PASS), reasons


def make_record(
    *, name: str, what: str, command: str, now_us: int, raw: Mapping[str, Raw], limits: Sequence[Limit]
) -> Record:
    """A record of a run that ended at `now_us` (from the clock port), on this machine, judged by `limits`."""
    finite = {key: _finite(value) for key, value in raw.items()}
    verdict, reasons = judge(finite, limits)
    return Record(
        name=name,
        what=what,
        when=datetime.fromtimestamp(now_us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        command=command,
        version=__version__,
        commit=find_commit(Path(__file__).parent),
        machine=describe_machine(),
        raw=finite,
        limits={limit.name: str(limit) for limit in limits},
        verdict=verdict,
        reasons=reasons,
    )


def _finite(value: Raw) -> Raw:
    """JSON has no NaN and no infinity (RFC 8259): they become null, not an error at the end of a long run."""
    if isinstance(value, list):
        return [None if isinstance(item, float) and not math.isfinite(item) else item for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def file_of(folder: Path, record: Record) -> Path:
    """Where the record of a run is, or goes."""
    stamp = record.when.replace("-", "").replace(":", "")
    return folder / f"{record.name}-{stamp}.json"


def write_record(folder: Path, record: Record) -> Path:
    """Write it whole or not at all; a record that is there already is never overwritten.

    Raises `DataFolderError` when the folder cannot be written, and when this run has a record already.
    """
    path = file_of(folder, record)
    content = msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"
    # The link makes the name appear with the whole content behind it, and refuses a name that is taken.
    unfinished = folder / f".{path.name}.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with unfinished.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.link(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise DataFolderError(
            f"the record was not written: {error}", where=str(path), fix="choose another folder with --records"
        ) from error
    return path


def read_records(folder: Path) -> list[Record]:
    """Every record of the folder, oldest first. An absent folder holds none.

    Raises `ConfigurationError` naming the file that is not a record, or is of a newer schema.
    """
    records = [_read(path) for path in sorted(folder.glob("*.json"))]
    return sorted(records, key=lambda record: (record.when, record.name))


def _read(path: Path) -> Record:
    try:
        record = msgspec.json.decode(path.read_bytes(), type=Record)
    except UNREADABLE as error:
        raise ConfigurationError(
            f"this file is not a record: {error}", where=str(path), fix="move it out of the folder of records"
        ) from error
    if record.schema_version != SCHEMA_VERSION:
        raise ConfigurationError(
            f"a record of schema version {record.schema_version}; this version reads {SCHEMA_VERSION}",
            where=str(path),
            fix="show it with the version of dissonance that wrote it",
        )
    return record


def describe_machine() -> Machine:
    """This machine, as the operating system describes it."""
    return Machine(
        cpu=_cpu_model(),
        cores=len(psutil.Process().cpu_affinity()) if hasattr(psutil.Process, "cpu_affinity") else os.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total,
        kernel=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
    )


def _cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Linux names the model in a file of its own; elsewhere `platform` knows it."""
    if cpuinfo.exists():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def find_commit(folder: Path) -> str | None:
    """The git commit that `folder` is at, with `+changes` when `src` differs from it; None outside a checkout."""
    try:
        _git(
            folder, "ls-files", "--error-unmatch", "__init__.py"
        )  # a wheel inside another project's checkout is not it
        commit = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ":/src")
    except (OSError, subprocess.SubprocessError):
        return None  # installed from a wheel, or no git here: the version has to do
    return f"{commit}+changes" if changed else commit


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout.strip()  # noqa: S603
