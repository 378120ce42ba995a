"""The certificate of an erasure: what was erased, what remains, and why. It is stored and signed: never rename a field.

It names the data subject by its keyed hash only, and may be shown to whoever asked for the erasure.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class LearntFrom(StrEnum):
    """How it is known that a model learnt from rows of a data subject."""

    SNAPSHOT = "snapshot"  # the rows are in the snapshot that it was made from
    REFERENCE = "reference"  # they were in the data file, in the part that it was fitted on
    LABELS = "labels"  # they had labels that could be learnt from when it was made
    DESCENT = "descent"  # a version that it was moved from did


class LearntModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`role`: proposer or critic; `digest`: of its manifest."""

    role: str
    version: int
    digest: str
    learnt_from: LearntFrom
    in_production: bool


class RowCounts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`reference`: rows of the data file by the part they are in; `labels`: of `experience` rows that have one."""

    experience: int
    labels: int
    label_requests: int
    reference: dict[str, int]


class Remains(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    what: str
    why: str


class Certificate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`data_subject`: keyed hash, 32 hex digits. `snapshots`: rows of it in each pipeline snapshot, by digest;
    `windows`: ids of windows of event time that its rows lie in."""

    task_id: str
    task: str
    data_subject: str
    erased_at_us: int
    by: str
    release: str
    rows: RowCounts
    snapshots: dict[str, int]
    models: tuple[LearntModel, ...]
    windows: tuple[str, ...]
    erased: tuple[str, ...]
    remains: tuple[Remains, ...]
