"""What was done, as small files beside each other: a step's record is found by the digest of its inputs.

A file is written beside its place and renamed, so that it is there whole or not at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from dissonance.errors import InputError, RecordBroken
from dissonance.ports.blobs import Blobs
from dissonance.ports.steps import RunRequest, StepName, StepRecord

T = TypeVar("T")

LATEST = "latest.json"


class Run(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run: what was asked, and the key of each step that is done."""

    request: RunRequest
    steps: dict[StepName, str] = {}

    def with_step(self, step: StepName, key: str) -> Run:
        return msgspec.structs.replace(self, steps={**self.steps, step: key})


class Provenance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a registered model came from. `model_files_digest`: of proposer and critic, their files only: the same
    for the same snapshot and seed. `parent`: the version it starts from."""

    version: int
    model_digest: str
    model_files_digest: str
    snapshot: str
    parent: int
    run: str


class Records:
    """Of one task, in its folder. Methods block."""

    def __init__(self, files: Blobs, folder: str) -> None:
        self._files = files
        self.folder = folder

    def find(self, step: StepName, key: str) -> StepRecord | None:
        return self._read(f"steps/{step.value}-{key}.json", StepRecord)

    def keep(self, record: StepRecord) -> None:
        self._write(f"steps/{record.step.value}-{record.key}.json", record)

    def run(self, request: RunRequest) -> Run:
        """As far as it has come."""
        return self._read(f"runs/{run_id(request)}.json", Run) or Run(request=request)

    def keep_run(self, run: Run) -> None:
        self._write(f"runs/{run_id(run.request)}.json", run)
        self._write(LATEST, run.request)

    def latest(self) -> RunRequest:
        """What was asked last. Raises `InputError`."""
        found = self._read(LATEST, RunRequest)
        if found is None:
            raise InputError("no run was begun for this task", where="--resume", fix="leave --resume out")
        return found

    def scheduled(self, run: str) -> RunRequest | None:
        """What a scheduler's run does, by the scheduler's name of it."""
        return self._read(f"runs/scheduled-{run}.json", RunRequest)

    def keep_scheduled(self, run: str, request: RunRequest) -> None:
        self._write(f"runs/scheduled-{run}.json", request)

    def provenance(self, model_digest: str) -> Provenance | None:
        return self._read(f"models/{model_digest}.json", Provenance)

    def keep_provenance(self, found: Provenance) -> None:
        self._write(f"models/{found.model_digest}.json", found)

    def _read(self, name: str, kind: type[T]) -> T | None:
        path = f"{self.folder}/{name}"
        if not self._files.exists(path):
            return None
        try:
            return msgspec.json.decode(self._files.read(path), type=kind)
        except msgspec.MsgspecError as error:
            raise RecordBroken(
                f"it is no record of this release: {error}", where=path, fix="delete the file: the step is done again"
            ) from error

    def _write(self, name: str, content: msgspec.Struct) -> None:
        self._files.write(f"{self.folder}/{name}", msgspec.json.encode(content, order="deterministic"))


def run_id(request: RunRequest) -> str:
    """32 hex digits; the same request has the same."""
    return hashlib.sha256(msgspec.json.encode(request, order="deterministic")).hexdigest()[:32]


def key_of(step: StepName, inputs: Mapping[str, str | int | float | None]) -> str:
    """SHA-256 over the step's name and its inputs, 64 hex digits.

    >>> key_of(StepName.TRAIN, {"a": 1, "b": 2}) == key_of(StepName.TRAIN, {"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(msgspec.json.encode([step.value, dict(inputs)], order="sorted")).hexdigest()
