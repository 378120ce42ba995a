"""Every event of the flow (design section 4): frozen, versioned, one message = one batch of columns.

All column lists of an event have the same length n. Times are microseconds since 1970 UTC.
Digests are 64 hex digits (SHA-256). `sealed[i]` is the encryption of a `SealedRow`
(`contracts.sealed`) bound to task, prediction id and data subject. Fields are only ever added,
with a default, under a new `SCHEMA_VERSION`; what a default cannot express is an upcast in `codec`.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from dissonance.contracts.topics import EventKind
from dissonance.contracts.verdicts import Reason, Verdict

PRODUCTION_ARM = "production"


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """The envelope. `event_id` is what the broker de-duplicates by: same cause, same id."""

    KIND: ClassVar[EventKind]
    SCHEMA_VERSION: ClassVar[int] = 1

    event_id: str
    task_id: str
    produced_at_us: int
    producer: str  # the role

    @property
    def rows(self) -> int:
        """How many rows the event speaks of; 1 where it has no columns."""
        return 1


class Predicted(Event, frozen=True, kw_only=True):
    """Answers given. Published, and acknowledged by the broker, before the client gets its reply.

    `sealed` holds features and p. `canary_arms` and `propensities` (probability of the arm that
    answered, in (0, 1]) came with version 2.
    """

    KIND: ClassVar[EventKind] = EventKind.PREDICTED
    SCHEMA_VERSION: ClassVar[int] = 2

    prediction_ids: list[bytes]  # UUIDv7, 16 bytes each
    data_subjects: list[bytes]  # keyed hash of the data subject, 16 bytes each
    event_times_us: list[int]
    processing_times_us: list[int]
    sealed: list[bytes]
    model_digest: str
    policy_digest: str
    canary_arms: list[str]
    propensities: list[float]

    @property
    def rows(self) -> int:
        return len(self.prediction_ids)


class Contradicted(Predicted, frozen=True, kw_only=True):
    """Answers doubted. `confidences` is c, `dissonances` is D, both in [0, 1]; doubt is 1 - c.

    q is a probability vector about a person and therefore inside `sealed` (`SealedRow.critic`).
    """

    KIND: ClassVar[EventKind] = EventKind.CONTRADICTED

    confidences: list[float]
    dissonances: list[float]
    critic_digest: str


class Judged(Contradicted, frozen=True, kw_only=True):
    """Verdicts of the gate on inputs. `policy_version` is the version each verdict rests on."""

    KIND: ClassVar[EventKind] = EventKind.JUDGED

    verdicts: list[Verdict]
    reasons: list[Reason]
    policy_version: int


class Experienced(Event, frozen=True, kw_only=True):
    """Rows are in the experience store. `first_stored` is how many of them were new."""

    KIND: ClassVar[EventKind] = EventKind.EXPERIENCED

    prediction_ids: list[bytes]
    event_times_us: list[int]
    first_stored: int

    @property
    def rows(self) -> int:
        return len(self.prediction_ids)


class Labelled(Event, frozen=True, kw_only=True):
    """Labels arrived. `sealed` holds a `SealedRow` with empty features and the label's class index."""

    KIND: ClassVar[EventKind] = EventKind.LABELLED

    prediction_ids: list[bytes]
    data_subjects: list[bytes]
    labelled_at_us: list[int]
    sealed: list[bytes]
    source: str

    @property
    def rows(self) -> int:
        return len(self.prediction_ids)


class LabelsJoined(Event, frozen=True, kw_only=True):
    """Labels are in the store beside their experience; windows over these times are to be restated."""

    KIND: ClassVar[EventKind] = EventKind.LABELS_JOINED

    prediction_ids: list[bytes]
    event_times_us: list[int]

    @property
    def rows(self) -> int:
        return len(self.prediction_ids)


class WindowEvaluated(Event, frozen=True, kw_only=True):
    """A window was computed or restated; `revision` counts up from 1."""

    KIND: ClassVar[EventKind] = EventKind.WINDOW_EVALUATED

    window_id: str
    revision: int


class RetrainRequested(Event, frozen=True, kw_only=True):
    KIND: ClassVar[EventKind] = EventKind.RETRAIN_REQUESTED

    reason: str
    requested_by: str


class ModelPromoted(Event, frozen=True, kw_only=True):
    """The production alias moved. Every replica loads `version` and swaps to it."""

    KIND: ClassVar[EventKind] = EventKind.MODEL_PROMOTED

    version: int
    model_digest: str
    previous_version: int | None
    reason: str
    by: str


class ModelRolledBack(ModelPromoted, frozen=True, kw_only=True):
    KIND: ClassVar[EventKind] = EventKind.MODEL_ROLLED_BACK


class PolicyChanged(Event, frozen=True, kw_only=True):
    KIND: ClassVar[EventKind] = EventKind.POLICY_CHANGED

    version: int
    policy_digest: str
    reason: str
    by: str


class TaskCreated(Event, frozen=True, kw_only=True):
    KIND: ClassVar[EventKind] = EventKind.TASK_CREATED

    name: str


class TaskDeleted(Event, frozen=True, kw_only=True):
    KIND: ClassVar[EventKind] = EventKind.TASK_DELETED

    name: str


EVENT_TYPES: dict[EventKind, type[Event]] = {
    event.KIND: event
    for event in (
        Predicted,
        Contradicted,
        Judged,
        Experienced,
        Labelled,
        LabelsJoined,
        WindowEvaluated,
        RetrainRequested,
        ModelPromoted,
        ModelRolledBack,
        PolicyChanged,
        TaskCreated,
        TaskDeleted,
    )
}
