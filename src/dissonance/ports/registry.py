"""The model registry: versions, aliases, signed and sealed artefacts. Real adapter: MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

import msgspec


class Alias(StrEnum):
    """What a version is beside the one in production: the newest that waits for a verdict, or one that answers a share
    of requests."""

    CANDIDATE = "candidate"
    CANARY = "canary"


NO_DOCUMENTS: Mapping[str, bytes] = MappingProxyType({})


MADE, ELSEWHERE = "made", "elsewhere"
"""Parameter of a version that was not fitted here, but registered from a file: it has no parent that is known."""

BESIDE = "registered_beside_version"
"""Parameter of such a version: which was in production then."""

TRAIN_ROWS = "train_rows"
"""Metric of every proposer that was fitted here."""


ARTEFACT_FILE = "artefact.bin"
"""What the sealed artefact of a version is called, where a registry keeps files."""


class ModelRole(StrEnum):
    PROPOSER = "proposer"
    CRITIC = "critic"


class ModelVersion(msgspec.Struct, frozen=True):
    """`digest` is the SHA-256 of the artefact's manifest, which names every file's digest. `alias`: none for most, and
    for the one in production."""

    task_id: str
    role: ModelRole
    version: int
    digest: str
    created_at_us: int
    metrics: dict[str, float]
    parent: int | None = None
    in_production: bool = False
    alias: Alias | None = None


class Day(msgspec.Struct, frozen=True):
    """Live figures of one day of event time. `date`: YYYY-MM-DD; `revision` grows whenever they change."""

    date: str
    revision: int
    metrics: dict[str, float]


class Registry(Protocol):
    """Methods block; call them from a thread. They raise `EngineUnavailable` or `ModelNotFound`."""

    def register(
        self,
        task_id: str,
        task_name: str,
        role: ModelRole,
        artefact: bytes,
        digest: str,
        *,
        metrics: dict[str, float],
        parameters: dict[str, str],
        parent: int | None,
        documents: Mapping[str, bytes] = NO_DOCUMENTS,
    ) -> ModelVersion:
        """Add a version; it is in production for nobody until `promote`. `documents`: files by name for people who look
        at the registry, in plain; none holds a row of a person."""
        ...

    def promote(self, version: ModelVersion) -> None:
        """Move the alias `production` to it; what it was beside that, as it was read, it is no more."""
        ...

    def mark(self, task_id: str, role: ModelRole, alias: Alias, version: int | None) -> None:
        """Point that alias at a version, which loses the other one; None: at nothing. It moves no traffic."""
        ...

    def production(self, task_id: str, role: ModelRole) -> ModelVersion: ...

    def version(self, task_id: str, role: ModelRole, number: int) -> ModelVersion: ...

    def versions(self, task_id: str, role: ModelRole) -> list[ModelVersion]:
        """Newest first."""
        ...

    def artefact(self, task_id: str, role: ModelRole, version: int) -> bytes:
        """The sealed bytes as they were registered."""
        ...

    def parameters(self, task_id: str, role: ModelRole, version: int) -> dict[str, str]:
        """What it was registered with."""
        ...

    def record_day(self, task_id: str, day: Day) -> None:
        """Keep the figures of a day, one run a day and task; those of a lower revision are not shown any more. Raises
        `ModelNotFound` for a task that has no model."""
        ...

    def days(self, task_id: str) -> list[Day]:
        """Newest first; of a day the figures of its highest revision."""
        ...

    def delete_task(self, task_id: str) -> None: ...

    def ready(self) -> None: ...
