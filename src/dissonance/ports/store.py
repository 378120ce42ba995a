"""The experience store and its neighbours: tasks, policies, verdicts, labels, windows, reference rows.

Real adapter: PostgreSQL. Double: memory. One contract suite holds for both. Every write is idempotent
by its natural key; every method may raise `EngineUnavailable`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import NamedTuple, Protocol

import msgspec

from dissonance.contracts.estimates import WindowEstimate
from dissonance.contracts.events import PRODUCTION_ARM, Judged
from dissonance.contracts.policy import Policy
from dissonance.contracts.schema import Task
from dissonance.contracts.times import LATEST_US
from dissonance.contracts.verdicts import Reason, Verdict
from dissonance.contracts.windows import SliceFigures, Stated
from dissonance.ports.accesses import AccessStore
from dissonance.ports.credentials import CredentialStore
from dissonance.ports.decisions import Decision, DecisionStore
from dissonance.ports.erasures import ErasureStore
from dissonance.ports.findings import FindingStore
from dissonance.ports.labels import LabelStore
from dissonance.ports.logins import LoginStore
from dissonance.ports.replays import ReplayStore
from dissonance.ports.rollouts import RolloutStore


class Split(StrEnum):
    """Which part of the reference data a row is in; a data subject is in one part only."""

    TRAIN = "train"
    CRITIC = "critic"
    GOLDEN = "golden"
    RETIRED = "retired"  # golden before: judgements have looked at it, and no model ever learns from it


class ReferenceRows(msgspec.Struct, frozen=True):
    """Labelled rows from the data file, in columns; `sealed` holds features and label (`SealedRow`)."""

    row_numbers: list[int]  # in the data file, from 0
    splits: list[Split]
    data_subjects: list[bytes]
    sealed: list[bytes]


class Experience(msgspec.Struct, frozen=True, gc=False):
    """One stored input. `label_sealed` is None until a label came. Holds nothing that could hold it, and comes by the
    hundred thousand, so that the garbage collector need not look at it."""

    prediction_id: bytes
    data_subject: bytes
    event_time_us: int
    processing_time_us: int
    sealed: bytes
    model_digest: str
    critic_digest: str
    policy_version: int
    verdict: Verdict
    reason: Reason
    confidence: float
    dissonance: float
    label_sealed: bytes | None = None
    labelled_at_us: int | None = None
    right: bool | None = None  # whether the answer was the label
    canary_arm: str = PRODUCTION_ARM
    shadow_digest: str = ""


class LearnableRows(NamedTuple):
    """As much of stored inputs with a label as learning from them asks for, in columns. `label_sources`: who gave the
    labels."""

    prediction_ids: list[bytes]
    event_times_us: list[int]
    data_subjects: list[bytes]
    sealed: list[bytes]
    labels_sealed: list[bytes]
    model_digests: list[str]
    label_sources: list[str]

    def at(self, positions: Sequence[int]) -> LearnableRows:
        return LearnableRows._make([column[i] for i in positions] for column in self)


class Sureness(NamedTuple):
    """`at`: how sure the critic is of a row, |2c - 1|; `rows`: how many rows it is at most as sure of."""

    at: float
    rows: int


class WindowFigures(msgspec.Struct, frozen=True):
    """Sums over the rows of a stretch of event time, computed where the rows are.

    Withdrawn labels and those that wait for a second look are no labels here. `random_*` are over labelled rows of the
    random check; `random_both_wrong`: neither the answer nor the critic's most probable class was the label.
    """

    rows: int
    labelled: int
    right: int
    sum_confidence: float
    sum_dissonance: float
    over_target: int  # rows with dissonance > D_target
    sum_variance: float = 0.0  # of c (1 - c)
    sum_delay_us: float = 0.0  # from event time to label, over labelled rows
    random_labelled: int = 0
    random_right: int = 0
    random_both_wrong: int = 0


class PolicyRecord(msgspec.Struct, frozen=True):
    """One version of a policy: who set it, when, and why."""

    policy: Policy
    reason: str
    by: str
    set_at_us: int


class VerdictRows(msgspec.Struct, frozen=True):
    """Verdicts to record, in columns, with the event time that the budget counts by."""

    prediction_ids: list[bytes]
    event_times_us: list[int]
    verdicts: list[Verdict]
    reasons: list[Reason]
    evidence: bytes  # msgpack: policy version, input digests and numbers; what the chain hashes
    policy_version: int


class Window(Stated, frozen=True, kw_only=True):
    """Figures of one window of event time `[start_us, end_us)`; restated under a higher revision.

    `estimated_accuracy` is the critic's mean belief. On `both_wrong` rows of the random check neither proposer nor
    critic was right. `estimate` is saved apart, by `save_estimate`, and of no revision.
    """

    task_id: str
    start_us: int
    end_us: int
    both_wrong: int = 0
    slices: tuple[SliceFigures, ...] = ()


class Outcome(msgspec.Struct, frozen=True):
    """What critic and gate said of a stored input. `confidence` c and `dissonance` D in [0, 1]."""

    confidence: float
    dissonance: float
    verdict: Verdict
    reason: Reason


class Counts(msgspec.Struct, frozen=True):
    """Where the rows of a task are: `stored` = admitted + blocked."""

    admitted: int
    blocked: int
    labelled: int


class IdempotentAnswer(msgspec.Struct, frozen=True):
    """What a repeated idempotency key gets: the event of the first answer, sealed rows and all."""

    key_hash: bytes
    body_digest: bytes
    answer: bytes


class TaskStore(Protocol):
    def claim(self, name: str) -> AbstractAsyncContextManager[None]:
        """While the block lasts nobody else makes a task of this name; it ends with the process too, however that ends.

        Raises `TaskExists` when somebody is making one.
        """
        ...

    async def create(self, task: Task, policy: Policy) -> None:
        """Raises `TaskExists` when the name or the id is taken."""
        ...

    async def by_name(self, name: str) -> Task:
        """Raises `UnknownTask`."""
        ...

    async def by_id(self, task_id: str) -> Task: ...

    async def all(self) -> list[Task]: ...

    async def delete(self, task_id: str) -> None:
        """Removes the task and every row of it (reference, experience, labels, windows, verdicts).

        A task that is not there is deleted already.
        """
        ...

    async def policy(self, task_id: str) -> Policy:
        """The policy in force (highest version)."""
        ...

    async def set_policy(self, task_id: str, policy: Policy, *, reason: str, by: str) -> None:
        """Raises `PolicyInvalid` unless `policy.version` is the one in force plus 1."""
        ...

    async def policy_history(self, task_id: str, limit: int = 1000) -> list[PolicyRecord]:
        """Newest first. Raises `UnknownTask`."""
        ...


class ReferenceStore(Protocol):
    async def add_reference(self, task_id: str, rows: ReferenceRows) -> int: ...

    async def reference(self, task_id: str, split: Split) -> ReferenceRows:
        """In the order of the data file."""
        ...

    def reference_pages(self, task_id: str, split: Split) -> AsyncGenerator[ReferenceRows, None]:
        """As `reference`, part by part, all of one moment: for rows by the thousand."""
        ...

    async def golden_data_subjects(self, task_id: str) -> frozenset[bytes]:
        """Whoever is, or was before, in the golden holdout."""
        ...

    async def refresh_golden(self, task_id: str, rows: ReferenceRows, decision: Decision) -> int:
        """The golden rows become retired, `rows` come in their place, and `decision` says so in the task's hash chain:
        all or nothing. How many were retired. Raises `UnknownTask`, or `EngineError` where a number is taken."""
        ...


class VerdictStore(Protocol):
    async def judged(self, task_id: str, prediction_ids: Sequence[bytes]) -> dict[bytes, tuple[Verdict, Reason, int]]:
        """Verdicts that already fell: verdict, reason, policy version."""
        ...

    async def budget_spent(self, task_id: str, hours: Sequence[int]) -> dict[int, int]:
        """Rows admitted under the budget, by hour of event time (hours since 1970)."""
        ...

    async def record_verdicts(self, task_id: str, rows: VerdictRows, expected_spent: Mapping[int, int]) -> bool:
        """Add verdicts and one link of the task's hash chain, all or nothing.

        False, and nothing written, when any of the ids has a verdict already or what is spent in an hour is
        not `expected_spent` (0 where it names none) any more: another replica was faster, decide again.
        """
        ...

    async def evidence(self, task_id: str, after: int = 0, limit: int = 1000) -> list[tuple[int, bytes]]:
        """Links of the task's chain after `after`, in order, with their evidence."""
        ...

    async def verify_chain(self, task_id: str) -> int:
        """Recompute the chain; returns its length. Raises `SealBroken` naming the first bad link."""
        ...


class ExperienceStore(Protocol):
    async def record(self, batches: Sequence[Judged]) -> int:
        """Insert the rows that are not there yet; returns how many were new.

        Rows of a task that does not exist, or no longer does, are not stored.
        """
        ...

    async def find(self, task_id: str, prediction_ids: Sequence[bytes]) -> dict[bytes, Experience]:
        """The stored rows among these ids."""
        ...

    async def figures(self, task_id: str, start_us: int, end_us: int, d_target: float) -> WindowFigures:
        """Over rows with event time in `[start_us, end_us)`."""
        ...

    async def between(self, task_id: str, start_us: int, end_us: int, newest: int | None = None) -> list[Experience]:
        """Rows with event time in `[start_us, end_us)`, in order of event time; with `newest` only so many of them, the
        last ones, whatever else there is."""
        ...

    def learnable(self, task_id: str, as_of_us: int = LATEST_US) -> AsyncGenerator[LearnableRows, None]:
        """Admitted rows with a label that may be learnt from, in order of their ids; part by part, all of one moment.
        `as_of_us`: only what was there by then, row and label; a label that was corrected since has only its latest
        time."""
        ...

    async def answered(self, task_id: str, model_digest: str, outside: Window, newest: int) -> LearnableRows:
        """Of those the newest that this model answered, itself or in a shadow, and none with event time in the window;
        in order of event time, those of one time in order of their ids."""
        ...

    async def rows_per_hour(
        self, task_id: str, data_subjects: Sequence[bytes], hours: Sequence[int]
    ) -> dict[tuple[bytes, int], int]:
        """Stored rows of these data subjects in these hours of event time (hours since 1970); 0 left out."""
        ...

    async def nth_event_time_us(self, task_id: str, from_us: int, n: int) -> int | None:
        """Event time of the n-th stored row (from 1) with event time at or after `from_us`; None when there are
        fewer."""
        ...

    async def least_sure(self, task_id: str, start_us: int, end_us: int, n: int) -> Sureness | None:
        """Of the n-th least sure row (from 1) with event time in `[start_us, end_us)`; None when there are fewer."""
        ...

    async def counts(self, task_id: str) -> Counts: ...

    async def latest_event_time_us(self, task_id: str) -> int | None: ...

    async def outcomes(self, task_id: str, prediction_ids: Sequence[bytes]) -> dict[bytes, Outcome]:
        """What became of those of these that are stored: no more than whoever answered may know."""
        ...

    async def retain(self, task_id: str, oldest_us: int) -> int:
        """Drop rows processed before `oldest_us`; returns, and counts in a table, how many."""
        ...

    async def dropped_by_retention(self, task_id: str) -> int:
        """How many rows `retain` dropped so far."""
        ...


class WindowStore(Protocol):
    async def save_window(self, window: Window) -> int:
        """Insert or restate; the revision is counted up by the store and returned.

        Figures that did not change keep their revision. Raises `UnknownTask`.
        """
        ...

    async def save_estimate(self, task_id: str, window_id: str, estimate: WindowEstimate) -> bool:
        """Whether it was kept: the first one stays. Raises `UnknownTask`."""
        ...

    async def windows(self, task_id: str, limit: int = 100) -> list[Window]:
        """The latest revision of each, newest window first."""
        ...


class IdempotencyStore(Protocol):
    async def reserve(
        self, task_id: str, answers: Sequence[IdempotentAnswer], now_us: int
    ) -> dict[bytes, IdempotentAnswer]:
        """Keep each answer whose key is new; return the earlier answers of the keys that are not.

        Of answers that share a key in one call the first is kept, and returned.
        """
        ...

    async def forget_idempotency(self, older_than_us: int) -> int: ...


class Store(
    TaskStore,
    ReferenceStore,
    VerdictStore,
    ExperienceStore,
    LabelStore,
    WindowStore,
    RolloutStore,
    DecisionStore,
    AccessStore,
    FindingStore,
    ErasureStore,
    ReplayStore,
    IdempotencyStore,
    CredentialStore,
    LoginStore,
    Protocol,
):
    """All of it: one database, one adapter."""

    async def database_time_us(self) -> int:
        """What the database's clock says, microseconds since 1970 UTC."""
        ...

    async def texts_in_plain(self) -> list[str]:
        """Where it holds in plain what it seals by now: columns with values of before, and tables whose files hold what
        they were."""
        ...

    async def ready(self) -> None:
        """Raises `EngineUnavailable` unless it answers and its migrations are those of this version."""
        ...

    async def close(self) -> None: ...
