"""The feature schema of a task: what a row must hold. Inferred at `task create`, immutable after."""

from __future__ import annotations

import hashlib
from enum import StrEnum

import msgspec

Scalar = bool | int | float | str
"""A JSON value that one field of a row may hold (besides null for missing)."""


class FeatureKind(StrEnum):
    NUMBER = "number"
    INTEGER = "integer"
    CATEGORY = "category"


class Feature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One input column.

    `categories` (for `CATEGORY` only) is in code order: the model sees the index.
    `minimum`, `maximum` (for numbers only) are of the reference data; outside them the gate blocks.
    """

    name: str
    kind: FeatureKind
    missing_allowed: bool = False
    categories: tuple[Scalar, ...] = ()
    minimum: float | None = None
    maximum: float | None = None


class FeatureSchema(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Columns in model order. A matrix of it has shape `(n, len(features))`, float64, NaN = missing."""

    features: tuple[Feature, ...]
    version: int = 1

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features)


def schema_digest(schema: FeatureSchema) -> str:
    """SHA-256 of the canonical JSON, 64 hex digits."""
    return hashlib.sha256(msgspec.json.encode(schema, order="sorted")).hexdigest()


class Task(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One prediction problem: the unit of isolation and of permissions (design section 2).

    `classes` fixes the order of every probability vector. `time_column` and `data_subject_column` name
    fields that rows may carry beside the features; they are never fed to a model.
    """

    task_id: str  # 32 hex digits, immutable
    name: str  # unique, [a-z0-9][a-z0-9_-]{0,62}
    schema: FeatureSchema
    classes: tuple[Scalar, ...]
    target: str
    created_at_us: int
    source_digest: str  # SHA-256 of the data file
    time_column: str | None = None
    data_subject_column: str | None = None
