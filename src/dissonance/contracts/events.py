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
from dissonance.contracts.updates import RetrainCause, RolloutPhase
from dissonance.contracts.verdicts import Reason, RuleFinding, UpdateVerdict, Verdict

PRODUCTION_ARM = "production"
CANARY_ARM = "canary"
WHOLE_SYSTEM = "0" * 32
"""Task id of events that are about no task."""


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
    answered, in (0, 1]) came with version 2; with version 3 `shadow_digest`: the model whose answers to the same rows
    are sealed beside (`SealedRow.shadow`), empty when none is.
    """

    KIND: ClassVar[EventKind] = EventKind.PREDICTED
    SCHEMA_VERSION: ClassVar[int] = 3

    prediction_ids: list[bytes]  # UUIDv7, 16 bytes each
    data_subjects: list[bytes]  # keyed hash of the data subject, 16 bytes each
    event_times_us: list[int]
    processing_times_us: list[int]
    sealed: list[bytes]
    model_digest: str
    policy_digest: str
    canary_arms: list[str]
    propensities: list[float]
    shadow_digest: str = ""

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
    """Labels arrived. `sealed` holds a `SealedRow` with empty features and the label's class index, -1 = withdrawn.

    `second_look`: they were asked for because a first label surprised both models; came with version 2.
    """

    KIND: ClassVar[EventKind] = EventKind.LABELLED
    SCHEMA_VERSION: ClassVar[int] = 2

    prediction_ids: list[bytes]
    data_subjects: list[bytes]
    labelled_at_us: list[int]
    sealed: list[bytes]
    source: str
    second_look: bool = False

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


class HarmEstimated(Event, frozen=True, kw_only=True):
    """An alarm: before its labels came, a window is estimated to be less accurate than the model was, and the evidence
    of the windows before adds up. Accuracies in [0, 1]; for the others see `contracts.estimates.WindowEstimate`.

    With version 2 came the interval, the `bound`, the `p_value` of the window, the `evidence` and the `threshold` that
    it passed, and what carries most of the drop, in accuracy: features, and slices as `feature = value`, most first.
    """

    KIND: ClassVar[EventKind] = EventKind.HARM_ESTIMATED
    SCHEMA_VERSION: ClassVar[int] = 2

    window_id: str
    reference_accuracy: float
    estimated_accuracy: float
    harm_margin: float
    low: float | None = None
    high: float | None = None
    bound: float | None = None
    p_value: float | None = None
    evidence: float | None = None
    threshold: float | None = None
    features: dict[str, float] = {}
    slices: dict[str, float] = {}


class RetrainRequested(Event, frozen=True, kw_only=True):
    """An update is due. `reason` is one sentence with the numbers; `cause` one of `RetrainCause`."""

    KIND: ClassVar[EventKind] = EventKind.RETRAIN_REQUESTED
    SCHEMA_VERSION: ClassVar[int] = 2

    reason: str
    requested_by: str
    cause: RetrainCause = RetrainCause.HAND


class CandidateRegistered(Event, frozen=True, kw_only=True):
    """A trained pair is in the registry. `parent_version` is the incumbent it starts from.

    `numbers` say how it came about: `step` in [0, 1], `kl` in nats, `labels`, `penalty_gain` and its
    `penalty_gain_error` in nats of held-out log loss.
    """

    KIND: ClassVar[EventKind] = EventKind.CANDIDATE_REGISTERED

    version: int
    model_digest: str
    parent_version: int | None
    reason: str
    numbers: dict[str, float]


class UpdateJudged(Event, frozen=True, kw_only=True):
    """May a candidate go live? Every rule with its numbers; `by` is who overrode, or `gate`."""

    KIND: ClassVar[EventKind] = EventKind.UPDATE_JUDGED

    version: int
    model_digest: str
    verdict: UpdateVerdict
    findings: tuple[RuleFinding, ...]
    policy_version: int
    by: str
    reason: str = ""


class RolloutChanged(Event, frozen=True, kw_only=True):
    """A canary began or ended, or a promotion is no longer watched. `phase` is one of `RolloutPhase`."""

    KIND: ClassVar[EventKind] = EventKind.ROLLOUT_CHANGED

    rollout_id: str
    phase: RolloutPhase
    version: int
    previous_version: int
    reason: str


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


class IncidentRaised(Event, frozen=True, kw_only=True):
    """A model was taken back by the system itself: `what` and why, in a sentence; `since_us`, event time: when it went
    into production; `evidence`: the numbers it rests on; which `replicas` answer with `previous_version` again, and
    which live and do not (`replicas_missing`)."""

    KIND: ClassVar[EventKind] = EventKind.INCIDENT_RAISED

    version: int
    previous_version: int
    what: str
    since_us: int
    evidence: dict[str, float]
    replicas: list[str]
    replicas_missing: list[str]


class PolicyChanged(Event, frozen=True, kw_only=True):
    KIND: ClassVar[EventKind] = EventKind.POLICY_CHANGED

    version: int
    policy_digest: str
    reason: str
    by: str


class FindingRaised(Event, frozen=True, kw_only=True):
    """The auditor found something. `task_id` is `WHOLE_SYSTEM` where it is about no task."""

    KIND: ClassVar[EventKind] = EventKind.FINDING_RAISED

    code: str
    severity: str
    subject: str
    what: str
    fix: str
    evidence: dict[str, float | int | str]
    first_seen_us: int


class FindingResolved(Event, frozen=True, kw_only=True):
    """What was found is no longer so."""

    KIND: ClassVar[EventKind] = EventKind.FINDING_RESOLVED

    code: str
    subject: str
    first_seen_us: int


class AnswerKept(Event, frozen=True, kw_only=True):
    """The first answer to an idempotency key, while the store that keeps such answers is away; `event_id` is the key's
    hash, so that of several the broker keeps the first. Fields as in `ports.store.IdempotentAnswer`."""

    KIND: ClassVar[EventKind] = EventKind.ANSWER_KEPT

    key_hash: bytes
    body_digest: bytes
    answer: bytes


class TaskCreated(Event, frozen=True, kw_only=True):
    KIND: ClassVar[EventKind] = EventKind.TASK_CREATED

    name: str


class TaskDeleted(Event, frozen=True, kw_only=True):
    KIND: ClassVar[EventKind] = EventKind.TASK_DELETED

    name: str


class CredentialsChanged(Event, frozen=True, kw_only=True):
    """Something was revoked, or an API key made: whoever admits callers reads the list of both again, which was
    changed `changes` times by then. `task_id` is `WHOLE_SYSTEM`."""

    KIND: ClassVar[EventKind] = EventKind.CREDENTIALS_CHANGED

    changes: int


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
        HarmEstimated,
        RetrainRequested,
        CandidateRegistered,
        UpdateJudged,
        RolloutChanged,
        ModelPromoted,
        ModelRolledBack,
        IncidentRaised,
        PolicyChanged,
        FindingRaised,
        FindingResolved,
        AnswerKept,
        TaskCreated,
        TaskDeleted,
        CredentialsChanged,
    )
}
